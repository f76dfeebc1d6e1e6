"""What crosses a topic: messages, the topic registry, codecs and the models of the configuration.

Nothing here imports anything else of the project, so that every process can share it.
"""
