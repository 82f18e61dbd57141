const seconds = {
 "edsr-baseline": "0.80 s",
 "rdn": "2.38 s",
 "swinir": "1.80 s",
 "no-cross-scale": "0.62 s",
 "no-modulation": "1.08 s",
 "no-position": "0.70 s"
};
for (const [model, text] of Object.entries(seconds))
  for (const cell of document.querySelectorAll(`[data-time="${model}"]`))
    if (text) cell.textContent = text;
