//! The bytes of an answer: the form, the marks, and what is written in.
//!
//! `form || marks || length || text || zeros`, the last three only where a name may be written in. Marks of a
//! plurality are one byte: zero, or the option's number and one. Approvals are bits, the first option the lowest bit
//! of the first byte. Scores and ranks are a byte for each place: zero, or the score and one, or the rank.

use super::{Answer, AnswerError, Contest, Form, Marks};

const PLURALITY: u8 = 1;
const APPROVAL: u8 = 2;
const SCORE: u8 = 3;
const RANKED: u8 = 4;

impl Contest {
    /// Bytes of each answer to it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let write_in = match usize::from(self.fields().write_in_bytes_max) {
            0 => 0,
            bytes_max => 1 + bytes_max,
        };
        1 + self.mark_bytes() + write_in
    }

    fn mark_bytes(&self) -> usize {
        match self.fields().form {
            Form::Plurality {} => 1,
            Form::Approval { .. } => self.places().div_ceil(8),
            Form::Score { .. } | Form::Ranked { .. } => self.places(),
        }
    }

    const fn form_byte(&self) -> u8 {
        match self.fields().form {
            Form::Plurality {} => PLURALITY,
            Form::Approval { .. } => APPROVAL,
            Form::Score { .. } => SCORE,
            Form::Ranked { .. } => RANKED,
        }
    }

    /// The one encoding of an answer.
    pub fn encode(&self, answer: &Answer) -> Result<Vec<u8>, AnswerError> {
        self.allows(answer)?;
        let mut bytes = vec![self.form_byte()];
        match &answer.marks {
            Marks::Plurality(option) => bytes.push(option.map_or(0, |option| option + 1)),
            Marks::Approval(approved) => {
                bytes.extend(approved.chunks(8).map(|approved| {
                    let bits = approved.iter().enumerate();
                    bits.fold(0, |byte, (bit, approved)| byte | u8::from(*approved) << bit)
                }));
            }
            Marks::Score(scores) => {
                bytes.extend(scores.iter().map(|score| score.map_or(0, |score| score + 1)))
            }
            Marks::Ranked(ranks) => bytes.extend(ranks.iter().map(|rank| rank.unwrap_or(0))),
        }
        let write_in_bytes_max = usize::from(self.fields().write_in_bytes_max);
        if write_in_bytes_max > 0 {
            let text = answer.write_in.as_deref().unwrap_or_default();
            bytes.push(u8::try_from(text.len()).map_err(|_| AnswerError::Text)?);
            bytes.extend_from_slice(text.as_bytes());
            bytes.resize(bytes.len() + write_in_bytes_max - text.len(), 0);
        }
        Ok(bytes)
    }

    /// The answer that `bytes` are the one encoding of.
    pub fn decode(&self, bytes: &[u8]) -> Result<Answer, AnswerError> {
        if bytes.len() != self.bytes() {
            return Err(AnswerError::Padding);
        }
        if bytes[0] != self.form_byte() {
            return Err(AnswerError::Form);
        }
        let (marks, write_in) = bytes[1..].split_at(self.mark_bytes());
        let answer = Answer { marks: self.decode_marks(marks)?, write_in: decode_write_in(write_in)? };
        self.allows(&answer)?;
        Ok(answer)
    }

    fn decode_marks(&self, bytes: &[u8]) -> Result<Marks, AnswerError> {
        Ok(match self.fields().form {
            Form::Plurality {} => Marks::Plurality(bytes[0].checked_sub(1)),
            Form::Approval { .. } => {
                let bits = bytes.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1));
                let mut approved: Vec<bool> = bits.collect();
                if approved.drain(self.places()..).any(|beyond| beyond) {
                    return Err(AnswerError::Padding);
                }
                Marks::Approval(approved)
            }
            Form::Score { .. } => Marks::Score(bytes.iter().map(|byte| byte.checked_sub(1)).collect()),
            Form::Ranked { .. } => {
                Marks::Ranked(bytes.iter().map(|byte| Some(*byte).filter(|rank| *rank > 0)).collect())
            }
        })
    }
}

fn decode_write_in(bytes: &[u8]) -> Result<Option<String>, AnswerError> {
    let Some((length, rest)) = bytes.split_first() else { return Ok(None) };
    let (text, padding) = rest.split_at_checked(usize::from(*length)).ok_or(AnswerError::Text)?;
    if padding.iter().any(|byte| *byte != 0) {
        return Err(AnswerError::Padding);
    }
    let text = std::str::from_utf8(text).map_err(|_| AnswerError::Text)?;
    Ok(Some(text).filter(|text| !text.is_empty()).map(str::to_owned))
}
