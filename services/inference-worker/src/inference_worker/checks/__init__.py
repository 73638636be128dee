"""Consistency checks of an edited picture against its source: SSIM, LPIPS and DISTS."""
