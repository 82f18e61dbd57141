const seconds = {
 "edsr-baseline": "0.94 s",
 "rdn": "1.53 s",
 "swinir": "4.92 s",
 "no-cross-scale": "0.52 s",
 "no-modulation": "1.38 s",
 "no-position": "0.95 s"
};
for (const [model, text] of Object.entries(seconds))
  for (const cell of document.querySelectorAll(`[data-time="${model}"]`))
    if (text) cell.textContent = text;
