const seconds = {
 "edsr-baseline": "0.35 s",
 "rdn": "0.40 s",
 "swinir": "0.52 s",
 "no-cross-scale": "0.27 s",
 "no-modulation": "0.74 s",
 "no-position": "0.34 s"
};
for (const [model, text] of Object.entries(seconds))
  for (const cell of document.querySelectorAll(`[data-time="${model}"]`))
    if (text) cell.textContent = text;
