-- Which department was sent its statement, and what it answered.  Answers are added, never changed: the last one counts.

create table department_statements (
    statement_id integer not null references statements,
    department text not null,
    person_id text not null,
    sent_by text not null,
    sent_at timestamptz not null,
    primary key (statement_id, department)
);

create table department_answers (
    answer_id integer generated always as identity primary key,
    statement_id integer not null references statements,
    department text not null,
    answer text not null check (answer in ('received', 'disputed', 'settled')),
    jpy numeric not null check (jpy >= 0),
    reason text not null,
    answered_by text not null,
    answered_at timestamptz not null
);

create index department_answers_statement on department_answers (statement_id, department, answer_id);
