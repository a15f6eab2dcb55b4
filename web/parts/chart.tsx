/** A live graph of a few lines over time, with uPlot; the numbers of the last sample stand above it as text. */
import { useEffect, useRef } from 'preact/hooks';
import type uPlot from 'uplot';

export interface Line {
  readonly label: string;
  readonly values: readonly number[];
  /** A custom property of the style sheet: `--accent`. */
  readonly colour: string;
  readonly dash?: boolean;
}

const HEIGHT = 132;

export function Chart({ title, times, lines, text }: { readonly title: string; readonly times: readonly number[]; readonly lines: readonly Line[]; readonly text: (value: number) => string }) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const data: uPlot.AlignedData = [[...times], ...lines.map(({ values }) => [...values])];
  const latest = useRef(data);
  latest.current = data;

  useEffect(() => {
    let gone = false;
    let observer: ResizeObserver | undefined;
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    const draw = (): void => plot.current?.redraw();
    void import('./uplot.ts').then(({ createPlot }) => {
      const element = place.current;
      if (gone || element === null) return;
      plot.current = createPlot({ element, height: HEIGHT, data: latest.current, lines, text });
      observer = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }));
      observer.observe(element);
      scheme.addEventListener('change', draw);
    });
    return () => {
      gone = true;
      observer?.disconnect();
      scheme.removeEventListener('change', draw);
      plot.current?.destroy();
      plot.current = null;
    };
  }, []);
  useEffect(() => plot.current?.setData(data));

  return (
    <figure class="panel chart">
      <figcaption>
        <h3>{title}</h3>
        <dl>{lines.map(({ label, values, dash, colour }) => <div key={label}><dt><i class={dash === true ? 'dashed' : ''} style={{ color: `var(${colour})` }} />{label}</dt><dd>{text(values.at(-1) ?? 0)}</dd></div>)}</dl>
      </figcaption>
      <div ref={place} class="plot" role="img" aria-label={`${title}, the last ${times.length} samples; now ${lines.map(({ label, values }) => `${label} ${text(values.at(-1) ?? 0)}`).join(', ')}`} />
    </figure>
  );
}
