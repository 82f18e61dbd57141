const seconds = {
 "edsr-baseline": "1.03 s",
 "rdn": "1.03 s",
 "swinir": "1.16 s",
 "no-cross-scale": "0.91 s",
 "no-modulation": "1.05 s",
 "no-position": "0.92 s"
};
for (const [model, text] of Object.entries(seconds))
  for (const cell of document.querySelectorAll(`[data-time="${model}"]`))
    if (text) cell.textContent = text;
