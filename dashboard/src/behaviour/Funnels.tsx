/** A funnel: how many visitors took some steps in order, and where the others stopped. Its steps are in the address. */

import { useState } from 'preact/hooks';
import { list } from '../api/client';
import { type Funnel, funnel, settings } from '../api/more';
import { count, exact } from '../format';
import { share } from '../format-share';
import { fill, t } from '../i18n/whole';
import type { CardProps } from '../lists/ListCard';
import { useQuery } from '../state/queries';
import { Link, navigate } from '../state/router';
import { scopeOf } from '../state/scope';
import { Icon } from '../ui/more-icons';
import { Answered } from '../ui/Panel';
import { apiSteps, formatSteps, parseSteps, type Step, STEPS_MAX, STEPS_MIN, typedStep } from './steps';

/** So many pages and events are offered as steps. */
const OFFERED = 6;

export function Funnels(props: CardProps) {
  const { site, route, today } = props;
  const steps = parseSteps(route.funnel);
  const ready = steps.length >= STEPS_MIN;
  const query = useQuery(ready ? funnel(scopeOf(route, site.domain, today), apiSteps(steps)) : null);
  const [editing, setEditing] = useState(false);
  return (
    <>
      {ready && !editing ? (
        <Answered query={query}>{(answer) => <Steps answer={answer} steps={steps} />}</Answered>
      ) : (
        <div class="body">
          <Builder {...props} steps={steps} />
        </div>
      )}
      <footer>
        {ready && (
          <button type="button" class="all" onClick={() => setEditing(!editing)}>
            {editing ? t.funnel.done : t.funnel.edit}
          </button>
        )}
        {steps.length > 0 && (
          <Link class="all" to={{ funnel: [] }}>
            {t.funnel.anew}
          </Link>
        )}
      </footer>
    </>
  );
}

function Steps({ answer, steps }: { answer: Funnel; steps: readonly Step[] }) {
  const first = answer.steps[0]?.visitors ?? 0;
  const last = answer.steps.at(-1);
  return (
    <>
      <p class="sum">
        <strong>{last ? share(last.visitors, first) : ''}</strong>
        <span>{t.funnel.rate}</span>
        {answer.sampled != null && <small>{fill(t.list.sampled, { share: share(answer.sampled, 1) })}</small>}
      </p>
      <ol class="steps">
        {answer.steps.map((step, index) => (
          <li key={index}>
            <div class="step-bar">
              <span class="bar" style={{ width: `${first ? (step.visitors / first) * 100 : 0}%` }} />
              <span class="name" title={step.step}>
                {steps[index]?.target ?? step.step}
              </span>
              <span class="number" title={exact(step.visitors)}>
                {count(step.visitors)} <small>{share(step.visitors, first)}</small>
              </span>
            </div>
            {index > 0 && step.drop_off > 0 && (
              <small class="lost">
                {fill(t.funnel.lost, {
                  count: count(step.drop_off),
                  share: share(step.drop_off, step.drop_off + step.visitors),
                })}
              </small>
            )}
          </li>
        ))}
      </ol>
    </>
  );
}

function Builder({ site, route, today, steps }: CardProps & { steps: Step[] }) {
  const [text, setText] = useState('');
  const scope = scopeOf(route, site.domain, today);
  const pages = useQuery(list('pages', scope, { limit: OFFERED })).data?.rows ?? [];
  const events = useQuery(list('events', scope, { limit: OFFERED })).data?.rows ?? [];
  const saved = useQuery(settings(site.domain)).data?.funnels ?? [];
  const set = (changed: Step[]) => navigate({ funnel: formatSteps(changed) }, 'replace');
  const add = (step: Step | undefined) => {
    if (!step || steps.length >= STEPS_MAX) return;
    set([...steps, step]);
    setText('');
  };
  const offered: Step[] = [
    ...pages.map((row): Step => ({ kind: 'page', target: row.page ?? '' })),
    ...events.map((row): Step => ({ kind: 'event', target: row.name ?? '' })),
  ].filter((step) => !steps.some((other) => other.kind === step.kind && other.target === step.target));
  return (
    <div class="builder">
      <p class="note">{t.funnel.hint}</p>
      {!steps.length && saved.length > 0 && (
        <ul class="saved">
          {saved.map(({ id, name, steps: own }) => (
            <li key={id}>
              <Link class="name" to={{ funnel: formatSteps(own.map(stepOf)) }}>
                <Icon name="bookmark" /> {name}
              </Link>
            </li>
          ))}
        </ul>
      )}
      <ol class="values">
        {steps.map((step, index) => (
          <li key={index}>
            <button
              type="button"
              aria-label={fill(t.funnel.remove, { step: step.target })}
              onClick={() => set(steps.filter((_, other) => other !== index))}
            >
              {index + 1}. {step.target}
              <Icon name="close" />
            </button>
          </li>
        ))}
      </ol>
      <form
        class="save"
        onSubmit={(event) => {
          event.preventDefault();
          add(typedStep(text));
        }}
      >
        <input
          type="text"
          value={text}
          maxLength={500}
          placeholder={t.funnel.step}
          aria-label={t.funnel.step}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <button type="submit" class="control" disabled={!text.trim() || steps.length >= STEPS_MAX}>
          {t.funnel.add}
        </button>
      </form>
      <ul class="offered">
        {offered.map((step) => (
          <li key={`${step.kind}${step.target}`}>
            <button type="button" disabled={steps.length >= STEPS_MAX} onClick={() => add(step)}>
              {step.target}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

function stepOf(own: { page?: string; event?: string }): Step {
  return own.page !== undefined ? { kind: 'page', target: own.page } : { kind: 'event', target: own.event ?? '' };
}
