// Makes the report something to click in. The page is whole without: this adds, and takes nothing away.
import { addCopyButtons } from './copy.js';
import { drawFlames } from './flame.js';
import { drawGrowth } from './growth.js';
import { openForPrint, openTargets } from './sections.js';
import { makeSortable } from './table.js';

const report = JSON.parse(document.getElementById('report').textContent);

addCopyButtons();
openTargets();
openForPrint();
makeSortable(document.querySelector('table.tags'));
drawGrowth(document.querySelector('figure.growth'), report);
drawFlames(document.querySelectorAll('.flame'), report);
document.documentElement.classList.add('live');
