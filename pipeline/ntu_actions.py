"""Names of the 60 actions of NTU RGB+D, by number."""

_NAMES = """
drink water; eat meal; brush teeth; brush hair; drop; pick up; throw; sit down; stand up; clap;
read; write; tear up paper; put on jacket; take off jacket; put on a shoe; take off a shoe; put on glasses;
take off glasses; put on a hat; take off a hat; cheer up; wave hand; kick something; reach into pocket; hop;
jump up; phone call; play with phone; type on a keyboard; point at something; take a selfie; check time;
rub two hands; nod head; shake head; wipe face; salute; put palms together; cross hands in front;
sneeze or cough; stagger; fall down; headache; chest pain; back pain; neck pain; nausea;
fan self; punch other person; kick other person; push other person; pat other's back; point at other person;
hug other person; give object to other person; touch other's pocket; shake hands; walk towards each other;
walk apart from each other
"""

ACTION_NAMES: dict[int, str] = {
    number: name.strip().replace("\n", " ") for number, name in enumerate(_NAMES.split(";"), start=1)
}
"""Action number (the A of a file name) to a short name."""
