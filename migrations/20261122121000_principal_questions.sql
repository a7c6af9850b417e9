-- Whom somebody asked whose a quarantined principal is, and when to ask again.

create table principal_questions (
    question_id integer generated always as identity primary key,
    arn text not null,
    person_id text not null,
    asked_by text not null,
    asked_at timestamptz not null,
    remind_on date not null
);

create index principal_questions_arn on principal_questions (arn, question_id);
