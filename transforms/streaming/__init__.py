"""What streaming computes: PTransforms, thin around the same kernels as batch."""
