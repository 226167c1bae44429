"""Apache Kafka: the client, the envelope, publishing, following and replaying topics, their settings and rights.

A consumer's position is kept in its database; the offsets that it commits only help lag tools.
"""
