const seconds = {
 "edsr-baseline": "0.30 s",
 "rdn": "0.36 s",
 "swinir": "0.52 s",
 "no-cross-scale": "0.24 s",
 "no-modulation": "0.66 s",
 "no-position": "0.29 s"
};
for (const [model, text] of Object.entries(seconds))
  for (const cell of document.querySelectorAll(`[data-time="${model}"]`))
    if (text) cell.textContent = text;
