"""Whether an edited picture still shows what its source shows: SSIM, LPIPS and DISTS."""
