import flamegraph from 'd3-flame-graph';
import { select } from 'd3-selection';
import { button, countText, element, sizeText } from './element.js';

// A finger needs more room; page.css centres the names by the same height.
const cellHeight = matchMedia('(pointer: coarse)').matches ? 28 : 22;

const longName = 40;

const measures = [
    { name: 'Blocks held', of: (stack) => stack.outstanding, text: (value) => `${countText(value)} blocks held` },
    { name: 'Bytes held', of: (stack) => stack.outstanding_bytes, text: (value) => `${sizeText(value)} held` },
    { name: 'Allocations', of: (stack) => stack.allocations, text: (value) => `${countText(value)} allocations` },
];

// Innermost first, without the allocator's own frames.
function framesOf(stack) {
    return stack.frames.slice(stack.caller ?? stack.frames.length);
}

// Stacks as a tree from the tag on: from the thread's start inwards, or from the call site outwards.
function treeOf(suspect, tag, measure, fromSite) {
    const root = { name: tag, value: 0, children: [] };
    for (const stack of suspect.trace.stacks) {
        const value = measure.of(stack);
        const frames = framesOf(stack);
        if (!(value > 0) || frames.length === 0) continue;
        if (!fromSite) frames.reverse();
        let node = root;
        root.value += value;
        for (const frame of frames) {
            let child = node.children.find((one) => one.name === frame.text);
            if (!child) {
                child = { name: frame.text, module: frame.module, source: frame.source, value: 0, children: [] };
                node.children.push(child);
            }
            child.value += value;
            node = child;
        }
    }
    return root;
}

// What is written into a frame: of a long name what tells frames apart, without module, template arguments and scopes.
function shortName(name) {
    if (name.length <= longName) return name;
    let plain = name.slice(name.indexOf('!') + 1);
    for (let before = ''; before !== plain;) {
        before = plain;
        plain = plain.replace(/<[^<>]*>/g, '');
    }
    if (plain.length > longName) plain = plain.split('::').pop();
    return plain || name;
}

// Frames of one module have one colour: the suspect's driver stands out, the kernel stays in the background.
function colourOf(node, driver) {
    const { module } = node.data;
    if (node.highlight) return 'var(--flame-found)';
    if (node.depth === 0) return 'var(--flame-root)';
    const shade = node.depth % 2;
    if (module && module.toLowerCase() === driver) return `var(--flame-own-${shade})`;
    if (module === 'nt') return `var(--flame-nt-${shade})`;
    return `var(--flame-other-${shade})`;
}

function driverOf(suspect) {
    const [owner] = suspect.owners;
    return (owner ? owner.image : '').toLowerCase().replace(/\.[^.]*$/, '');
}

class Flame {
    constructor(place, suspect) {
        this.suspect = suspect;
        this.tag = place.closest('.suspect').querySelector('h2 code')?.textContent ?? ''; // as it can be typed
        this.driver = driverOf(suspect);
        this.usable = measures.filter((measure) => suspect.trace.stacks.some((stack) => measure.of(stack) > 0 && framesOf(stack).length > 0));
        if (this.usable.length === 0) return;
        this.measure = this.usable[0];
        this.fromSite = false;
        this.path = element('nav', { class: 'path', 'aria-label': 'Frames down to the one looked at' });
        this.chartPlace = element('div', { class: 'flame-chart' });
        this.detail = element('p', { class: 'flame-detail', 'aria-live': 'polite' });
        place.append(this.controls(), this.path, this.chartPlace, this.detail);
        this.place = place;
        place.addEventListener('keydown', (event) => this.key(event));
        new ResizeObserver(() => this.fit()).observe(this.chartPlace);
    }

    controls() {
        const group = (label, choices, chosen, choose) => {
            const buttons = choices.map((choice) =>
                button(choice.name, () => {
                    buttons.forEach((one, i) => one.setAttribute('aria-pressed', choices[i] === choice));
                    choose(choice);
                    this.draw();
                }, { 'aria-pressed': choice === chosen }));
            return element('div', { role: 'group', class: 'choice', 'aria-label': label }, ...buttons);
        };
        const ways = [{ name: 'From thread start', site: false }, { name: 'From call site', site: true }];
        return element('div', { class: 'flame-controls' },
            group('Width of a frame', this.usable, this.measure, (choice) => (this.measure = choice)),
            group('Order of frames', ways, ways[0], (choice) => (this.fromSite = choice.site)));
    }

    // Drawn when it first has a width: a closed section has none.
    fit() {
        const width = this.chartPlace.clientWidth;
        if (width === 0 || width === this.width) return;
        this.width = width;
        if (!this.chart) return this.draw();
        this.chart.width(width).update();
        this.mark();
    }

    draw() {
        this.chart?.destroy();
        this.chartPlace.replaceChildren();
        const tree = treeOf(this.suspect, this.tag, this.measure, this.fromSite);
        this.total = tree.value;
        const depth = (node) => 1 + Math.max(0, ...node.children.map(depth));
        this.chart = flamegraph()
            .width(this.width)
            .height(depth(tree) * cellHeight)
            .cellHeight(cellHeight)
            .inverted(true)
            .sort((a, b) => b.data.value - a.data.value)
            .minFrameSize(1)
            .transitionDuration(matchMedia('(prefers-reduced-motion: reduce)').matches ? 0 : 200)
            .setColorMapper((node) => colourOf(node, this.driver))
            .setLabelHandler((node) => this.label(node))
            .getName((node) => shortName(node.data.name))
            .onHover((node) => this.tell(node))
            .onClick((node) => this.zoomed(node));
        select(this.chartPlace).datum(tree).call(this.chart);
        this.root = select(this.chartPlace).datum();
        this.zoomed(this.root);
    }

    label(node) {
        const share = (100 * node.data.value) / this.total;
        const source = node.data.source ? ` (${node.data.source})` : '';
        return `${node.data.name}${source}: ${this.measure.text(node.data.value)}, ${share.toFixed(share < 10 ? 1 : 0)} %`;
    }

    tell(node) {
        this.detail.textContent = this.label(node);
    }

    // What is looked at, and the way back.
    zoomed(node) {
        this.zoom = node;
        this.current = node;
        const way = node.ancestors().reverse();
        this.path.replaceChildren(...way.map((one, i) => {
            const last = i + 1 === way.length;
            const text = i === 0 && last ? `All stacks of ${one.data.name}` : one.data.name;
            return last ? element('span', { 'aria-current': 'true' }, text) : button(text, () => this.chart.zoomTo(one));
        }));
        this.place.classList.toggle('zoomed', node !== this.root);
        this.tell(node);
        this.mark();
    }

    // One frame can be reached by Tab; the arrow keys go from it to its neighbours.
    mark() {
        select(this.chartPlace).selectAll('g.frame')
            .attr('role', 'button')
            .attr('aria-label', (node) => this.label(node))
            .attr('tabindex', (node) => (node === this.current ? 0 : -1));
    }

    key(event) {
        if (!event.target.closest?.('g.frame')) return;
        const node = this.current;
        const siblings = (node.parent?.children ?? [node]).filter((one) => this.frame(one));
        const beside = (step) => siblings[siblings.indexOf(node) + step];
        const next = {
            ArrowUp: () => node.parent,
            ArrowDown: () => node.children?.find((one) => this.frame(one)),
            ArrowLeft: () => beside(-1),
            ArrowRight: () => beside(1),
        }[event.key];
        if (next) {
            event.preventDefault();
            this.focus(next());
        } else if (event.key === 'Enter' || event.key === ' ') {
            event.preventDefault();
            this.chart.zoomTo(node);
            this.focus(node);
        } else if (event.key === 'Escape' && this.zoom !== this.root) {
            this.chart.zoomTo(this.root);
            this.focus(this.root);
        }
    }

    focus(node) {
        if (!node) return;
        this.current = node;
        this.mark();
        this.tell(node);
        this.frame(node)?.focus();
    }

    // What is hidden, or narrower than a pixel, is not drawn.
    frame(node) {
        return select(this.chartPlace).selectAll('g.frame').filter((one) => one === node && !one.data.hide).node();
    }
}

export function drawFlames(places, report) {
    for (const place of places) {
        const suspect = report.suspects[place.dataset.suspect];
        if (suspect?.trace) new Flame(place, suspect);
    }
}
