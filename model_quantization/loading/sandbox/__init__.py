"""The child process: started, confined, asked, and ended.

It knows nothing of models: callers pass the handlers in (`pipeline.child`).
"""
