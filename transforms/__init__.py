"""What the pipeline computes: PTransforms over kernels over the contract of the tables."""
