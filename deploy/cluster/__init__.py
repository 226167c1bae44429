"""The suite in a cluster, without one: its image, a real Kubernetes control plane on this machine, simulated nodes."""
