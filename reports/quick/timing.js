const seconds = {
 "edsr-baseline": "1.53 s",
 "rdn": "1.79 s",
 "swinir": "2.64 s",
 "no-cross-scale": "1.21 s",
 "no-modulation": "0.98 s",
 "no-position": "0.31 s"
};
for (const [model, text] of Object.entries(seconds))
  for (const cell of document.querySelectorAll(`[data-time="${model}"]`))
    if (text) cell.textContent = text;
