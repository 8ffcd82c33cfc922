"""Sentences with the personal data in them marked: `<kind|as written>`. All of it is invented or made for tests.

`PLAIN` is written as customers and agents write; `HIDDEN` tries not to be found; `NOTHING` holds numbers and words
that look like personal data and are none.
`LATER` was written when the detectors were done, to see what they miss; docs/personal-data.md tells what that was.
"""

from __future__ import annotations

import re

__all__ = ["HIDDEN", "LATER", "NOTHING", "PLAIN", "marked"]

PLAIN = """
My card is <card_number|4111 1111 1111 1111>, it expires 12/27.
Card number <card_number|5555-5555-5555-4444> was declined at the store.
the amex <card_number|378282246310005> doesn't work
It's <card_number|3782 822463 10005>, the gold one.
<card_number|6011111111111117> is my Discover card
I typed <card_number|4012888888881881> and got an error
Old card: <card_number|5105 1051 0510 5100>; new card: <card_number|4000 0566 5566 5556>.
My card <card_number|30569309025904> is a Diners card.
<card_number|3530111333300000> is the JCB card
Mastercard <card_number|2223003122003222>, please block it.
Please wire it to <iban|DE89 3704 0044 0532 0130 00> and tell me when it is there.
IBAN: <iban|GB82WEST12345698765432>
my iban is <iban|FR14 2004 1010 0505 0001 3M02 606>
pay into <iban|NL91ABNA0417164300>, thanks
the account <iban|ES91 2100 0418 4502 0005 1332> is my mother's
<iban|CH93 0076 2011 6238 5295 7> or the other one
my ssn is <national_id|219-09-9999>
Social Security number: <national_id|219099999>.
SSN <national_id|457 55 5462> please
it's <national_id|536-90-4399>, that is my social
NI number is <national_id|AB 12 34 56 C>
national insurance QQ123456C hmm no, <national_id|JG103759A>
My DNI is <national_id|54362315K>.
My NIE: <national_id|X-2482300W>
codice fiscale <national_id|RCCMNL83S18D969H>
CPF <national_id|390.533.447-05>
My PESEL is <national_id|44051401359>
BSN <national_id|111222333>
my tax id is <national_id|36574261809>
Aadhaar <national_id|234123412346>
HETU <national_id|131052-308T>
Call me on <phone|202-555-0142>.
my cell is <phone|(202) 555-0117>
ring <phone|+44 20 7946 0018> after six
phone: <phone|+1 202 555 0163>
text <phone|2025550184>
<phone|020 7946 0958> is the landline
my number is <phone|202.555.0110>
<phone|+49 30 12345678> is my German number
you can try <phone|0049 30 1234567> too
<phone|+33 1 99 00 12 34> in Paris
write to <email|nadia.okafor@example.com>
<email|t_wren+bank@mail.example.org> is better
mail:<email|IVO@EXAMPLE.NET>, ok?
I live at <address|17 Larch Court, Dover, DE 19901>.
My new address is <address|402 Bramble Way, Newark, DE 19711>
send it to <address|9 Thistle Street>
<address|92 Alder Lane, Apt 4, Wilmington, DE 19801> is where I am now
moved to <address|5 Foundry Way>
her address is <address|12 Copper Road, Oldford, OX4 1AB>
I was born on <date_of_birth|March 12, 1984>.
dob <date_of_birth|11/05/1991>
date of birth: <date_of_birth|1984-03-12>
Birthday is the <date_of_birth|3rd of May 1979>
born <date_of_birth|7 June 2001>
DOB <date_of_birth|12.03.84>
D.O.B. <date_of_birth|1 Jan 1990>
my account number is <account_number|000123456789>
account no. <account_number|1234 5678 90>
acct # <account_number|99887766>
a/c <account_number|4455667788>
customer number <customer_number|48213907>
It is <customer_number|30577142>, I think.
"""

HIDDEN = """
my card is <card_number|four one one one one one one one one one one one one one one one>
<card_number|four one one one, one one one one, one one one one, one one one one>
it's <card_number|four double one one 1111 1111 eleven eleven>
<card_number|forty-one eleven eleven eleven eleven eleven eleven eleven>
card <card_number|4111\u200b1111\u200b1111\u200b1111>
card <card_number|4111\u00ad1111\u20601111\ufeff1111>
card <card_number|４１１１ １１１１ １１１１ １１１１>
card <card_number|٤١١١ ١١١١ ١١١١ ١١١١>
card <card_number|4\u03011\u03011\u03011\u0301 1111 1111 1111>
card <card_number|4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1>
card <card_number|4111/1111/1111/1111>
card <card_number|4111.1111.1111.1111>
card <card_number|4111 - 1111 - 1111 - 1111>
card <card_number|4111_1111_1111_1111>
card <card_number|4l1l IIII 1111 llll>
card <card_number|5l05 lO5l O5lO 5lOO>
card <card_number|𝟒𝟏𝟏𝟏 𝟏𝟏𝟏𝟏 𝟏𝟏𝟏𝟏 𝟏𝟏𝟏𝟏>
card <card_number|④①①① ①①①① ①①①① ①①①①>
ssn <national_id|two one nine, oh nine, nine nine nine nine>
SSN <national_id|219\u201109\u20119999>
SSN <national_id|219.09.9999>
SSN <national_id|2 1 9 0 9 9 9 9 9>
iban <iban|DE89-3704-0044-0532-0130-00>
iban <iban|D\u0415\u200b89 3704 0044 0532 0130 00>
iban <iban|de89370400440532013000>
call <phone|two oh two, five five five, oh one four two>
call <phone|202\u2011555\u20110142>
call <phone|２０２ ５５５ ０１４２>
<email|jane.roe＠example.com>
<email|jane dot roe at example dot com>
<email|jane.roe (at) example (dot) com>
<email|j\u0430ne@ex\u0430mple.com>
born on the <date_of_birth|12th of\u00a0March 1984>
customer <customer_number|four eight two one three nine oh seven>
customer <customer_number|４８２１３９０７>
"""

NOTHING = """
Your balance is $1,250.40 as of March 2, 2026, of which $1,200.40 is available.
The appointment APT-20918 is on 2026-03-12 at 14:30.
Dispute DSP-7781 was opened on 2026-03-02, 2026-03-09 and 2026-03-16.
Payments of 4,310.75, 212.09, 8,030.00 and 1,999.00 went through.
Order 12345678 left the warehouse.
Your order number is 48213907, the tracking number 2125550187.
Reference 4155550123 and invoice no. 20260301.
Transaction id 40018825 was reversed.
The file is of 20260304.
Your card ends in 4417; the last four digits are 1111.
**** **** **** 1111
The number 4111 1111 1111 1112 is no card's.
Order 9111 1111 1111 1111 is late.
It takes one, two or three days.
Three to five business days, at most ten.
One two three, testing.
We are open 9:00-17:00, Monday to Friday, and 10:00-14:00 on Saturdays.
Rates: 3.25, 3.50, 4.00, 4.25 and 4.50 percent.
The branch is at 210 Harbor Street.
The Mill Road branch is at 48 Mill Road, and the other at 3 Old Quay Square.
Flight HAT136 leaves on May 20 at 15:00 for $147.
#W2378156 was delivered.
We meet at the dot on noon.
The limits are 500, 1000, 2500 and 5000 dollars a day.
Version 10.15.7 of the app, build 20.1.300.4000
sha256 d5a8a0683db61f47fb518d393a1a307665e90d118e75fba8370dda051555cfbb
id 7f4b1c9e-4111-4111-8111-111111111111
The account was opened in 2019 and has 12 standing orders.
She was born in 1984 and moved in 2002.
Your birthday gift of $25 arrives on May 3.
4 x 4 = 16, 5 x 5 = 25, 6 x 6 = 36
A fee of 0.5 % applies to 1,000,000.00 and more.
Section 4.1.1.1 of the terms, page 1111
Your routing works on 2/3/2026, 2/10/2026 and 2/17/2026.
I waited 45 minutes and called 3 times on the 4th, 5th and 6th.
I live on the second floor and pay 1200 a month.
The code 482139 is valid for 10 minutes.
Between 1984-03-12 and 1991-11-05 the rate was 7.
Checks 1001, 1002, 1003, 1004 and 1005 are used.
""".replace("\n\n", "\n")

LATER = """
hi, amex ending is wrong, the full one is <card_number|371449635398431>
Visa <card_number|4539 5787 6362 1486> exp 08/29 cvv 123
<card_number|6304000000000000> is the maestro I lost
cardnumber:<card_number|5555555555554444>
my card no is <card_number|4000000000000002>.Please cancel
iban = <iban|BE68 5390 0754 7034>
transfer from <iban|PL61109010140000071219812874> to mine
Send 200 euro to <iban|IT60 X054 2811 1010 0000 0123 456>
social is <national_id|509-11-2347>, mother's maiden name Hart
My social security no. is <national_id|509112347>
last time I gave <national_id|509 11 2347> as SSN
Steuer-ID <national_id|36 574 261 809>
SIN: <national_id|046 454 286>
My personnummer is <national_id|811228-9874>
reach me at <phone|1-202-555-0188>
tel <phone|202 555 0131> ext 4
my work phone is <phone|+1-202-555-0119>
whatsapp <phone|+34 612 34 56 78>
(call <phone|(415)555-0137>)
it's <phone|0161 496 0123> in Manchester
contact: <email|ann-lee.o'brien@example.com>
email is <email|first.last@sub.example.co.uk>.
my e-mail: <email|x_y%z@example.org>
reach me under <email|kim at example dot org>
we moved to <address|88 Sycamore Boulevard, Springfield, IL 62704>
My mailing address is <address|4410 Elm St>
it's <address|1200 North Pine Avenue, Austin, TX 78701>
I'm living at <address|3 Rose Cottage Lane>
send the letter to <address|PO Box 553, Dover, DE 19903>
date of birth <date_of_birth|9/30/1968>
I'm born <date_of_birth|1975-02-28>
my birth date: <date_of_birth|Feb 28, 1975>
my son was born on <date_of_birth|28.2.2010>
my birthday's <date_of_birth|30 September 1968>
checking account <account_number|0045678912>
account number: <account_number|78-4455-1290>
acct no <account_number|5566778899>
from my account ending 4411 to account <account_number|778812345>
client number <customer_number|55120934>
I'm customer <customer_number|71200456>
card <card_number|five five five five, five five five five, five five five five, four four four four>
<card_number|4-5-3-9-5-7-8-7-6-3-6-2-1-4-8-6>
<card_number|4539\u200b5787\u200b6362\u200b1486>
ssn <national_id|five oh nine, one one, two three four seven>
phone <phone|two zero two 555 zero one three one>
mail <email|kim [at] example [dot] org>
born <date_of_birth|２８ February 1975>
number <customer_number|double five one two oh nine three four>
The total of 14 payments was 12,340.55 on 02/14/2026.
Confirmation 9988776655 for the hotel, room 1204.
Case number: 20260111-4455
My loan of 250000 at 4.875% runs 360 months.
The ATM at 1500 Market Street was broken at 10:45.
The wire of 04/02 arrived on 04/05, the one of 04/09 on 04/12.
Ticket #88123456 and ticket #88123457 are open.
UPC 012345678905 on the box.
Model SM-G991B, serial R58N12ABCDE
Call 911 or 311.
ISBN 978-3-16-148410-0
Transfer 100 200 300 and 400 dollars to savings.
P.S. 2 of 3 people waited from 2019 to 2024.
"""

_MARK = re.compile(r"<(\w+)\|([^>]*)>")


def marked(lines: str) -> list[tuple[str, frozenset[tuple[str, str]]]]:
    """Each line without its marks, and the (kind, value) of the data in it."""
    return [
        (_MARK.sub(r"\2", line), frozenset((m[1], m[2]) for m in _MARK.finditer(line)))
        for line in lines.strip().splitlines()
    ]
