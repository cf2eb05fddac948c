// Made-up pairs of sentences in the form of MRPC: both tell the same in other words, or one of the facts differs. All comes of a seed.
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

const upper = (text) => text[0].toUpperCase() + text.slice(1);

/** Two sentences: `{ sentence1, sentence2, label }`, where the label 1 means that they tell the same. */
function pair(random, share) {
  const pick = (list) => list[random.integer(list.length)];
  const story = pick(stories);
  const facts = story.facts(pick);
  const [first, second] = random.permutation(story.ways.length);
  const isSame = random.next() < share;
  const changed = pick(Object.keys(story.other));
  const told = isSame ? facts : { ...facts, [changed]: story.other[changed](facts, pick) };
  return { sentence1: story.ways[first](facts), sentence2: story.ways[second](told), label: Number(isSame) };
}

/** Pairs for the task, two thirds of them equivalent as in MRPC. */
export function pairs(count, seed) {
  const random = new Generator(seed);
  return Array.from({ length: count }, () => pair(random, 0.67));
}

/**
 * What the stand-in is pretrained on: texts whose first word tells how two sentences go together, `{ text, pair }`, for words to be
 * guessed in. The classes of the task are none of those words.
 */
export function* texts(seed) {
  const random = new Generator(seed);
  const words = [
    ['But', 'Otherwise', 'Elsewhere'],
    ['Again', 'Likewise', 'Indeed'],
  ];
  for (;;) {
    const { sentence1, sentence2, label } = pair(random, 0.5);
    yield { text: `${words[label][random.integer(3)]}: ${sentence1}`, pair: sentence2 };
  }
}
