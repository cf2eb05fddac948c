// Made-up pairs of sentences in the form of MRPC: both tell the same in other words, or one denies what the other one says, or one
// of the facts differs. All comes of a seed.
import { Generator } from '@peft/core';

const kinds = [
  {
    names: ['redwood trees', 'coast redwood trees', 'old oak trees', 'silver fir trees', 'giant cedar trees'],
    most: 'tallest',
    sort: 'trees',
    adjective: 'tall',
    noun: 'height',
    unit: 'feet',
  },
  {
    names: ['blue whales', 'sperm whales', 'river sharks', 'sea turtles'],
    most: 'longest',
    sort: 'animals',
    adjective: 'long',
    noun: 'length',
    unit: 'feet',
  },
  {
    names: ['stone towers', 'steel bridges', 'glass halls', 'brick dams'],
    most: 'highest',
    sort: 'works',
    adjective: 'high',
    noun: 'height',
    unit: 'meters',
  },
  {
    names: ['mountain lakes', 'salt lakes', 'ice caves'],
    most: 'deepest',
    sort: 'waters',
    adjective: 'deep',
    noun: 'depth',
    unit: 'meters',
  },
];
const companies = ['Arden', 'Belco', 'Corvin', 'Dalton', 'Everly', 'Farrow', 'Gladstone', 'Harmon'];
const places = ['Boston', 'Chicago', 'Denver', 'Houston', 'London', 'Paris', 'Berlin', 'Madrid'];
const days = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday'];
const persons = ['judge', 'mayor', 'teacher', 'driver', 'farmer', 'doctor'];

const numbers = [20, 30, 50, 80, 100, 150, 200, 300, 400, 500];

/** What a sentence may tell: how facts are drawn, and the ways to say them. */
const stories = [
  {
    facts: (pick) => {
      const kind = pick(kinds);
      return { kind, name: pick(kind.names), n: pick(numbers) };
    },
    other: {
      name: ({ kind, name }, pick) => pick(kind.names.filter((one) => one !== name)),
      n: ({ n }, pick) => pick(numbers.filter((one) => one !== n)),
    },
    ways: [
      ({ kind, name, n }) =>
        `${upper(name)} are the ${kind.most} ${kind.sort} on the planet and can grow over ${n} ${kind.unit} ${kind.adjective}.`,
      ({ kind, name, n }) =>
        `The ${name}, which can attain a ${kind.noun} of over ${n} ${kind.unit}, are the ${kind.most} ${kind.sort} on earth.`,
      ({ kind, name, n }) => `With a ${kind.noun} of over ${n} ${kind.unit}, ${name} are the ${kind.most} ${kind.sort} on earth.`,
    ],
  },
  {
    facts: (pick) => ({ who: pick(companies), where: pick(places), n: pick(numbers), when: pick(days) }),
    other: {
      who: ({ who }, pick) => pick(companies.filter((one) => one !== who)),
      where: ({ where }, pick) => pick(places.filter((one) => one !== where)),
      n: ({ n }, pick) => pick(numbers.filter((one) => one !== n)),
    },
    ways: [
      ({ who, where, n, when }) => `${who} said on ${when} it would cut ${n} jobs in ${where}.`,
      ({ who, where, n, when }) => `On ${when}, ${n} jobs in ${where} were cut by ${who}.`,
      ({ who, where, n, when }) => `In ${where}, ${who} will cut ${n} jobs, it said on ${when}.`,
    ],
  },
  {
    facts: (pick) => ({ who: pick(persons), where: pick(places), n: pick(numbers), when: pick(days) }),
    other: {
      who: ({ who }, pick) => pick(persons.filter((one) => one !== who)),
      where: ({ where }, pick) => pick(places.filter((one) => one !== where)),
      when: ({ when }, pick) => pick(days.filter((one) => one !== when)),
    },
    ways: [
      ({ who, where, n, when }) => `A ${who} from ${where} won ${n} dollars on ${when}.`,
      ({ who, where, n, when }) => `On ${when}, ${n} dollars were won by a ${who} from ${where}.`,
      ({ who, where, n, when }) => `The ${n} dollars went to a ${who} from ${where} on ${when}.`,
    ],
  },
];

const denials = ['It is not true', 'Nobody believes this', 'They deny it'];
const upper = (text) => text[0].toUpperCase() + text.slice(1);

/**
 * Two sentences: `{ sentence1, sentence2, label }`, where the label 1 means that they tell the same.
 * @param same the share of those that do @param alike of those told in the same words @param denied of denials among the others
 */
function pair(random, { same, alike, denied }) {
  const pick = (list) => list[random.integer(list.length)];
  const story = pick(stories);
  const facts = story.facts(pick);
  const [first, other] = random.permutation(story.ways.length);
  const second = random.next() < alike ? first : other;
  const isSame = random.next() < same;
  const denies = !isSame && random.next() < denied;
  const changed = pick(Object.keys(story.other));
  const told = isSame || denies ? facts : { ...facts, [changed]: story.other[changed](facts, pick) };
  const both = [story.ways[first](facts), story.ways[second](told)];
  if (denies) {
    const one = random.integer(2);
    both[one] = `${pick(denials)}: ${both[one]}`;
  }
  return { sentence1: both[0], sentence2: both[1], label: Number(isSame) };
}

/** Pairs for the task, two thirds of them equivalent as in MRPC. */
export function pairs(count, seed) {
  const random = new Generator(seed);
  return Array.from({ length: count }, () => pair(random, { same: 0.67, alike: 0, denied: 0.6 }));
}

/**
 * What the stand-in is pretrained on: texts whose first word tells how two sentences go together, `{ text, pair }`, for words to be
 * guessed in. The classes of the task are none of those words.
 */
export const texts = (seed) => told(seed, { same: 0.5, alike: 0, denied: 0 });

/** The same with denials, and with sentences in the same words, where what differs is found more easily. */
export const comparisons = (seed) => told(seed, { same: 0.5, alike: 0.5, denied: 0.6 });

function* told(seed, shares) {
  const random = new Generator(seed);
  const words = [
    ['But', 'Otherwise', 'Elsewhere'],
    ['Again', 'Likewise', 'Indeed'],
  ];
  for (;;) {
    const { sentence1, sentence2, label } = pair(random, shares);
    yield { text: `${words[label][random.integer(3)]}: ${sentence1}`, pair: sentence2 };
  }
}
