"""`python -m model_quantization.families`: write the note of which file speaks for each class."""

from model_quantization.families.owners import NOTE, note_text

if __name__ == "__main__":
    NOTE.write_text(note_text(), "utf-8")
