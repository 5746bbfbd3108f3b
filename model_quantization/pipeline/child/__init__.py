"""Requests that the child process answers: the original's answers, a candidate's, their cost."""
