import { button, element } from './element.js';

const order = new Intl.Collator('en');

// A cell's number where it has one; else its text. Cells that show "-" know nothing.
function valueOf(row, column) {
    const cell = row.cells[column];
    if (cell.dataset.v !== undefined) return Number(cell.dataset.v);
    const text = cell.textContent.trim();
    return text === '-' ? null : text;
}

function compare(a, b) {
    return typeof a === 'number' && typeof b === 'number' ? a - b : order.compare(String(a), String(b));
}

// Headings that sort by their column, numbers from the largest, and a field that narrows the rows to a text.
export function makeSortable(table) {
    if (!table) return;
    const body = table.tBodies[0];
    const headings = [...table.tHead.rows[0].cells];
    const sortBy = (column) => {
        const numbers = [...body.rows].some((row) => row.cells[column].dataset.v !== undefined);
        const was = headings[column].getAttribute('aria-sort');
        const down = was ? was === 'ascending' : numbers;
        const rows = [...body.rows].map((row) => ({ row, value: valueOf(row, column) }));
        rows.sort((a, b) => {
            if (a.value === null || b.value === null) return (a.value === null) - (b.value === null);
            return down ? compare(b.value, a.value) : compare(a.value, b.value);
        });
        body.append(...rows.map((one) => one.row));
        for (const heading of headings) heading.removeAttribute('aria-sort');
        headings[column].setAttribute('aria-sort', down ? 'descending' : 'ascending');
    };
    headings.forEach((heading, column) => {
        heading.replaceChildren(button(heading.textContent, () => sortBy(column)));
    });

    const field = element('input', { type: 'search', placeholder: 'Tag, driver or verdict', 'aria-label': 'Show only tags with' });
    field.addEventListener('input', () => {
        const wanted = field.value.toLowerCase();
        for (const row of body.rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    });
    table.before(element('p', { class: 'filter' }, field));
}
