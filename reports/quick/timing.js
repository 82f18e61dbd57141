const seconds = {
 "edsr-baseline": "0.43 s",
 "rdn": "0.43 s",
 "swinir": "0.42 s",
 "no-cross-scale": "0.25 s",
 "no-modulation": "0.80 s",
 "no-position": "0.34 s"
};
for (const [model, text] of Object.entries(seconds))
  for (const cell of document.querySelectorAll(`[data-time="${model}"]`))
    if (text) cell.textContent = text;
