const seconds = {
 "edsr-baseline": "0.34 s",
 "rdn": "0.35 s",
 "swinir": "0.40 s",
 "no-cross-scale": "0.25 s",
 "no-modulation": "0.62 s",
 "no-position": "0.33 s"
};
for (const [model, text] of Object.entries(seconds))
  for (const cell of document.querySelectorAll(`[data-time="${model}"]`))
    if (text) cell.textContent = text;
