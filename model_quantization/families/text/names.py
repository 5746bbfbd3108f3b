"""Names of classes and parts that packing and lowering of text both use."""

from __future__ import annotations

_MODULE = "sklearn.feature_extraction.text"
COUNT = f"{_MODULE}:CountVectorizer"
TFIDF = f"{_MODULE}:TfidfVectorizer"
TRANSFORMER = f"{_MODULE}:TfidfTransformer"
HASHING = f"{_MODULE}:HashingVectorizer"
MAPPINGS = "sklearn.feature_extraction._dict_vectorizer:DictVectorizer"
VOCABULARY = (COUNT, TFIDF, MAPPINGS)
DROPPED = {
    "stop_words_": "terms that were left out of the vocabulary; no method reads it",
    "_stop_words_id": "address of the stop words in the process that trained the model",
}
