'use strict';
// Without it each letter is ticked by hand; everything else on the page needs no script.
{
    const all = document.getElementById('select-all');
    const boxes = () => document.querySelectorAll('input[name=selected]');
    all.hidden = false;
    all.addEventListener('change', () => boxes().forEach((box) => { box.checked = all.checked; }));
}
