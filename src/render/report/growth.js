import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { button, sizeText } from './element.js';

const height = 240;

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Values of all suspects over one axis. The evidence is cut evenly in time; where it has no times, in parts of one.
function dataOf(suspects, verdict) {
    const points = Math.max(...suspects.map((suspect) => suspect.chart.length));
    const first = Date.parse(verdict.first) / 1000;
    const last = Date.parse(verdict.last) / 1000;
    const timed = last > first;
    const x = Array.from({ length: points }, (_, i) => {
        const part = i / (points - 1);
        return timed ? first + (last - first) * part : part;
    });
    // A shorter course belongs to the end of the evidence: its tag came later.
    const ys = suspects.map(({ chart }) => [...Array(points - chart.length).fill(null), ...chart]);
    return { timed, data: [x, ...ys] };
}

// The drawn chart gets a cursor with values, lines that can be hidden, and a stretch that can be looked at closer.
export function drawGrowth(figure, report) {
    if (!figure) return;
    const items = [...figure.querySelectorAll('.legend li')];
    const suspects = items.map((item) => report.suspects[item.dataset.suspect]);
    const { timed, data } = dataOf(suspects, report.verdict);
    if (data[0].length < 2) return;
    const place = figure.querySelector('.plot');
    const values = items.map((item) => item.querySelector('.value'));
    const atEnd = values.map((value) => value.textContent);
    const shown = suspects.map(() => true);
    const when = document.createElement('span');
    when.className = 'when';
    figure.querySelector('figcaption').append(when);
    let plot = null;

    const showValues = (index) => {
        values.forEach((value, i) => {
            const here = index === null || index === undefined ? undefined : data[i + 1][index];
            value.textContent = here === undefined ? atEnd[i] : here === null ? '-' : sizeText(here);
        });
        const time = index === null || index === undefined || !timed ? '' : new Date(data[0][index] * 1000);
        when.textContent = time && `${time.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
    };

    const draw = () => {
        plot?.destroy();
        const axis = { stroke: css('--quiet'), grid: { stroke: css('--line'), width: 1 }, ticks: { show: false }, font: '12px system-ui, sans-serif' };
        plot = new uPlot(
            {
                width: place.clientWidth,
                height,
                padding: [8, 30, 0, 0], // the last time's label is half beyond the end
                legend: { show: false },
                tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC'),
                scales: { x: { time: timed }, y: { range: (_, low, high) => yRange(low, high) } },
                axes: [
                    { ...axis, show: timed, space: 70, values: (_, ticks, axisIndex, space, step) => timeLabels(ticks, step) },
                    { ...axis, size: 58, values: (_, ticks) => ticks.map((tick) => (tick === 0 ? '0' : sizeText(tick))), incrs: byteSteps },
                ],
                series: [
                    {},
                    ...suspects.map((suspect, i) => ({ label: suspect.tag, show: shown[i], stroke: css(`--line-${i + 1}`), width: 2, points: { show: false } })),
                ],
                cursor: { y: false, drag: { x: true, y: false } },
                hooks: { setCursor: [(u) => showValues(u.cursor.left >= 0 ? u.cursor.idx : null)] },
            },
            data,
            place,
        );
    };

    items.forEach((item, i) => {
        const toggle = button('', () => {
            shown[i] = !shown[i];
            plot.setSeries(i + 1, { show: shown[i] });
            toggle.setAttribute('aria-pressed', shown[i]);
        }, { 'aria-pressed': 'true', title: 'Show or hide this line' });
        toggle.append(...item.childNodes);
        item.append(toggle);
    });

    // Arrow keys read values off as the mouse does; Home and End go to the ends, Escape leaves.
    place.tabIndex = 0;
    place.setAttribute('role', 'application');
    place.setAttribute('aria-label', 'Growth chart; arrow keys read values');
    place.addEventListener('keydown', (event) => {
        const last = data[0].length - 1;
        const at = plot.cursor.left >= 0 ? plot.cursor.idx : last;
        const next = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last }[event.key];
        if (event.key === 'Escape') plot.setCursor({ left: -10, top: -10 });
        if (next === undefined) return;
        event.preventDefault();
        const index = Math.min(Math.max(next, 0), last);
        plot.setCursor({ left: plot.valToPos(data[0][index], 'x'), top: 10 });
    });

    draw();
    figure.classList.add('plotted');
    new ResizeObserver(() => {
        if (place.clientWidth > 0 && place.clientWidth !== plot.width) plot.setSize({ width: place.clientWidth, height });
    }).observe(place);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
}

// As the drawn chart has it: memory from 0 on, unless all of it is far above.
function yRange(low, high) {
    if (low === null || high === null) return [0, 1];
    const least = Math.max(0.05 * Math.abs(high), 1);
    const from = low >= 0 && low < high / 2 ? 0 : Math.min(low, high - least);
    return [from, high + (high - from || least) * 0.05];
}

// UTC, as all times of the report; the date where it changes.
function timeLabels(ticks, step) {
    let before = '';
    return ticks.map((tick) => {
        const [date, time] = new Date(tick * 1000).toISOString().split('T');
        const text = step >= 86400 ? date.slice(5) : time.slice(0, step >= 60 ? 5 : 8);
        const label = date === before || step >= 86400 ? text : `${text}\n${date}`;
        before = date;
        return label;
    });
}

// Ticks at round numbers of bytes.
const byteSteps = [];
for (let unit = 1; unit <= 2 ** 60; unit *= 1024) {
    for (const step of [1, 2, 5, 10, 20, 50, 100, 200, 500]) byteSteps.push(unit * step);
}
