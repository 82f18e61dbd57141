const seconds = {
 "edsr-baseline": "0.33 s",
 "rdn": "0.45 s",
 "swinir": "0.47 s",
 "no-cross-scale": "0.28 s",
 "no-modulation": "0.70 s",
 "no-position": "0.31 s"
};
for (const [model, text] of Object.entries(seconds))
  for (const cell of document.querySelectorAll(`[data-time="${model}"]`))
    if (text) cell.textContent = text;
