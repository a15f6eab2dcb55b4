/** A drawing of the way a datagram takes: one arm or two, and what its addresses are before and after. */
import type { NatForm } from '../../src/web/nat-form.ts';

export function Arms({ arms, form }: { readonly arms: 'one-arm' | 'two-arm' | 'any'; readonly form: NatForm }) {
  const before = form.destination === '' ? 'any' : form.destination;
  const after = form.afterSource === '' ? 'client' : form.afterSource;
  const words = arms === 'one-arm'
    ? `One-arm: clients and servers are both behind ${form.inIface}; weir stands beside the way.`
    : arms === 'two-arm' ? `Two-arm: clients are behind ${form.inIface}, servers behind ${form.outIface}; weir stands between.` : 'Any interface: choose IN and OUT to tell one-arm from two-arm.';
  return (
    <figure class="arms">
      <svg viewBox="0 0 720 132" role="img" aria-label={words}>
        <Box x={8} y={arms === 'one-arm' ? 74 : 38} title="client" />
        <Box x={592} y={arms === 'one-arm' ? 74 : 38} title="servers" />
        {arms === 'one-arm' ? <>
          <Box x={300} y={4} title="weir" strong />
          <Wire d="M128 101H592" plain />
          <Wire d="M128 92H330V62" />
          <Wire d="M390 62V92H584" />
          <Label x={230} y={84} text={`to ${before}`} /><Label x={490} y={84} text={`from ${after}`} />
          <Label x={360} y={120} text={form.inIface} />
        </> : <>
          <Box x={300} y={38} title="weir" strong />
          <Wire d="M128 65H292" /><Wire d="M420 65H584" />
          <Label x={210} y={56} text={`to ${before}`} /><Label x={506} y={56} text={`from ${after}`} />
          <Label x={270} y={82} text={form.inIface || 'any'} /><Label x={450} y={82} text={form.outIface || 'any'} />
        </>}
      </svg>
      <figcaption class="muted">{words}</figcaption>
    </figure>
  );
}

function Box({ x, y, title, strong = false }: { readonly x: number; readonly y: number; readonly title: string; readonly strong?: boolean }) {
  return <g class={strong ? 'box strong' : 'box'}><rect x={x} y={y} width="120" height="54" rx="6" /><text x={x + 60} y={y + 32}>{title}</text></g>;
}

function Wire({ d, plain = false }: { readonly d: string; readonly plain?: boolean }) {
  return <><path class={plain ? 'wire faint' : 'wire'} d={d} />{!plain && <Head d={d} />}</>;
}

/** An arrow's head at the end of a path whose last move is H or V. */
function Head({ d }: { readonly d: string }) {
  const last = /([HV])(\d+)$/.exec(d);
  const points = [...d.matchAll(/[MHV]\s*(\d+)(?:\s+(\d+))?/g)];
  let [x, y, up] = [0, 0, false];
  for (const [text, a = '0', b] of points) {
    if (text.startsWith('M')) [x, y] = [Number(a), Number(b)];
    else if (text.startsWith('H')) x = Number(a);
    else [up, y] = [Number(a) < y, Number(a)];
  }
  const head = last?.[1] === 'V' ? (up ? `M${x - 5} ${y + 8}L${x} ${y}L${x + 5} ${y + 8}` : `M${x - 5} ${y - 8}L${x} ${y}L${x + 5} ${y - 8}`) : `M${x - 8} ${y - 5}L${x} ${y}L${x - 8} ${y + 5}`;
  return <path class="wire" d={head} />;
}

function Label({ x, y, text }: { readonly x: number; readonly y: number; readonly text: string }) {
  return <text class="label" x={x} y={y}>{text.length > 22 ? `${text.slice(0, 21)}…` : text}</text>;
}
