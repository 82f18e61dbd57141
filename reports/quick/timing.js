const seconds = {
 "edsr-baseline": "1.24 s",
 "rdn": "1.35 s",
 "swinir": "1.43 s",
 "no-cross-scale": "1.30 s",
 "no-modulation": "1.05 s",
 "no-position": "1.23 s"
};
for (const [model, text] of Object.entries(seconds))
  for (const cell of document.querySelectorAll(`[data-time="${model}"]`))
    if (text) cell.textContent = text;
