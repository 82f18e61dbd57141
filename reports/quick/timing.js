const seconds = {
 "edsr-baseline": "1.33 s",
 "rdn": "1.37 s",
 "swinir": "1.52 s",
 "no-cross-scale": "1.15 s",
 "no-modulation": "0.98 s",
 "no-position": "1.24 s"
};
for (const [model, text] of Object.entries(seconds))
  for (const cell of document.querySelectorAll(`[data-time="${model}"]`))
    if (text) cell.textContent = text;
