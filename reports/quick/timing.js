const seconds = {
 "edsr-baseline": "0.33 s",
 "rdn": "0.32 s",
 "swinir": "0.41 s",
 "no-cross-scale": "0.20 s",
 "no-modulation": "0.70 s",
 "no-position": "0.30 s"
};
for (const [model, text] of Object.entries(seconds))
  for (const cell of document.querySelectorAll(`[data-time="${model}"]`))
    if (text) cell.textContent = text;
