const seconds = {
 "edsr-baseline": "0.98 s",
 "rdn": "1.56 s",
 "swinir": "5.84 s",
 "no-cross-scale": "0.67 s",
 "no-modulation": "1.52 s",
 "no-position": "1.35 s"
};
for (const [model, text] of Object.entries(seconds))
  for (const cell of document.querySelectorAll(`[data-time="${model}"]`))
    if (text) cell.textContent = text;
