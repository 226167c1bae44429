"""Proof over a service's event log: a Merkle tree (RFC 9162), signed checkpoints, exports that verify offline."""
