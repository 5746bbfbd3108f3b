"""Every estimator of scikit-learn, through a file."""
