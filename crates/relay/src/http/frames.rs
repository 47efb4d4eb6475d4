//! The binary format of posts: one after the other, each
//! `scope length u8 | scope | message length u32 BE | message | pass`. A pass has 246 bytes; with records it has the length that
//! the numbers of lists and proofs in it state.

use bytes::Bytes;
use quotapass_circuits::formats::{
    recorded::stated_length,
    wire::{POST_BYTES, PassKind},
};

use crate::{OwnedPost, PostRequest};

/// Kinds of errors in binary posts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FramesErrorKind {
    /// The bytes end within a post.
    #[error("the bytes end within a post")]
    Truncated,
    /// There are more posts than this limit.
    #[error("there are more than {0} posts")]
    TooMany(usize),
}

/// An error in binary posts, with its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset}, in post {post}: {kind}")]
pub struct FramesError {
    /// Offset in the bytes.
    pub offset: usize,
    /// The post it is in, counted from zero.
    pub post: usize,
    /// Kind of the error.
    pub kind: FramesErrorKind,
}

/// Errors of [`write_post`]: the post has no binary form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnframableError {
    /// The scope's name is too long for a length in one byte.
    #[error("a scope's name has at most 255 bytes, this one has {0}")]
    Scope(usize),
    /// The message is too long for a length in four bytes.
    #[error("a message has less than 4 GiB, this one has {0} bytes")]
    Message(usize),
    /// The pass has another length.
    #[error("a pass has {POST_BYTES} bytes, or those that its records need; this one has {0}")]
    Pass(usize),
}

/// Reads at most `most` posts. Their messages and passes share the memory of `bytes`. Passes are not decoded here; the
/// verdict reports invalid ones, and scopes whose names are not text.
///
/// # Errors
/// [`FramesError`] if the bytes end within a post, or for more posts than `most`.
pub fn read_posts(bytes: &Bytes, most: usize) -> Result<Vec<OwnedPost>, FramesError> {
    let mut reader = Reader { rest: bytes.clone(), length: bytes.len(), post: 0 };
    let mut posts = Vec::new();
    while !reader.rest.is_empty() {
        if posts.len() == most {
            return Err(reader.error(FramesErrorKind::TooMany(most)));
        }
        posts.push(reader.post()?);
        reader.post += 1;
    }
    Ok(posts)
}

/// Writes a post at the end of a buffer.
///
/// # Errors
/// [`UnframableError`]; the buffer is unchanged then.
pub fn write_post(buffer: &mut Vec<u8>, post: &PostRequest<'_>) -> Result<(), UnframableError> {
    let PostRequest { scope, message, pass } = post;
    let scope_length = u8::try_from(scope.len()).map_err(|_| UnframableError::Scope(scope.len()))?;
    let message_length = u32::try_from(message.len()).map_err(|_| UnframableError::Message(message.len()))?;
    if pass_length(pass) != Some(pass.len()) {
        return Err(UnframableError::Pass(pass.len()));
    }
    buffer.push(scope_length);
    buffer.extend_from_slice(scope.as_bytes());
    buffer.extend_from_slice(&message_length.to_be_bytes());
    buffer.extend_from_slice(message);
    buffer.extend_from_slice(pass);
    Ok(())
}

/// Returns the length of the pass at the beginning of the bytes; none if they end before it is known. Bytes that are not a
/// pass count as one without records.
fn pass_length(bytes: &[u8]) -> Option<usize> {
    match PassKind::of(bytes) {
        Ok(PassKind::Recorded) => stated_length(bytes),
        _ => Some(POST_BYTES),
    }
}

/// A reader that tracks its position.
struct Reader {
    rest: Bytes,
    length: usize,
    post: usize,
}

impl Reader {
    fn error(&self, kind: FramesErrorKind) -> FramesError {
        FramesError { offset: self.length - self.rest.len(), post: self.post, kind }
    }

    fn take(&mut self, length: usize) -> Result<Bytes, FramesError> {
        if self.rest.len() < length {
            return Err(self.error(FramesErrorKind::Truncated));
        }
        Ok(self.rest.split_to(length))
    }

    fn post(&mut self) -> Result<OwnedPost, FramesError> {
        let length = self.take(1)?[0].into();
        let scope = self.take(length)?;
        let mut length = [0; 4];
        length.copy_from_slice(&self.take(4)?);
        let message = self.take(usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX))?;
        let pass = self.take(pass_length(&self.rest).unwrap_or(usize::MAX))?;
        Ok(match core::str::from_utf8(&scope) {
            Ok(scope) => OwnedPost { scope: scope.to_owned(), message, pass: Ok(pass) },
            Err(_) => OwnedPost::unreadable(String::new(), "the scope's name is not UTF-8"),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};
    use quotapass_circuits::{
        formats::recorded::{LIST_BYTES, MAX_RECORDED_BYTES},
        proof::PROOF_BYTES,
    };

    use super::*;

    /// Returns the bytes of a pass of either form, as its numbers of lists and proofs state.
    fn passes() -> impl Strategy<Value = Vec<u8>> {
        let alone = vec(any::<u8>(), POST_BYTES).prop_filter("of another kind", |pass| pass[..2] != [1, 3]);
        let list = (vec(any::<u8>(), LIST_BYTES - 1), 0..4u8);
        let recorded = (vec(any::<u8>(), POST_BYTES - 2), vec(list, 0..6)).prop_map(|(post, lists)| {
            let mut pass = [&[1, 3][..], &post, &[lists.len() as u8]].concat();
            for (version, proofs) in lists {
                pass.extend(version);
                pass.push(proofs);
                pass.extend(vec![proofs; usize::from(proofs) * PROOF_BYTES]);
            }
            pass
        });
        prop_oneof![alone, recorded]
    }

    fn write(posts: &[(String, Vec<u8>, Vec<u8>)]) -> Bytes {
        let mut buffer = Vec::new();
        for (scope, message, pass) in posts {
            write_post(&mut buffer, &PostRequest { scope, message, pass }).unwrap();
        }
        buffer.into()
    }

    proptest! {
        #[test]
        fn posts_read_back(
            posts in vec(("\\PC{0,40}", vec(any::<u8>(), 0..100), passes()), 0..5),
            cut in any::<prop::sample::Index>(),
        ) {
            let bytes = write(&posts);
            let read = read_posts(&bytes, 5).unwrap();
            let parts = |post: &OwnedPost| (post.scope.clone(), post.message.to_vec(), post.pass.clone().unwrap().to_vec());
            prop_assert_eq!(read.iter().map(parts).collect::<Vec<_>>(), posts.clone());
            if !posts.is_empty() {
                let error = read_posts(&bytes, posts.len() - 1).unwrap_err();
                prop_assert_eq!((error.post, error.kind), (posts.len() - 1, FramesErrorKind::TooMany(posts.len() - 1)));
                // A truncated text gives the posts before the cut, or an error with their end.
                let cut = bytes.slice(..cut.index(bytes.len()));
                match read_posts(&cut, 5) {
                    Ok(read) => prop_assert!(read.len() < posts.len()),
                    Err(error) => {
                        prop_assert_eq!(error.kind, FramesErrorKind::Truncated);
                        prop_assert!(error.offset <= cut.len());
                    }
                }
            }
        }

        #[test]
        fn any_bytes_are_survived_and_what_reads_writes_back(bytes in vec(any::<u8>(), 0..2_000)) {
            let read = read_posts(&bytes.clone().into(), 1_000);
            if let Some(posts) = read.ok().filter(|posts| posts.iter().all(|post| post.pass.is_ok())) {
                let mut written = Vec::new();
                for OwnedPost { scope, message, pass } in &posts {
                    write_post(&mut written, &PostRequest { scope, message, pass: pass.as_ref().unwrap() }).unwrap();
                }
                prop_assert_eq!(written, bytes);
            }
        }
    }

    #[test]
    fn a_length_beyond_all_memory_is_only_truncated() {
        let bytes = Bytes::from_static(&[0, 0xff, 0xff, 0xff, 0xff, 1]);
        let expected = FramesError { offset: 5, post: 0, kind: FramesErrorKind::Truncated };
        assert_eq!(read_posts(&bytes, 1).unwrap_err(), expected);
    }

    /// Attack: a pass that states lists and proofs that no pass has takes the bytes of the next post.
    #[test]
    fn a_pass_with_impossible_numbers_hides_no_post_beside_it() {
        let mut impossible = vec![7; POST_BYTES];
        impossible[..2].copy_from_slice(&[1, 3]);
        impossible.push(0);
        let mut most = [&impossible[..POST_BYTES], &[255][..]].concat();
        for _ in 0..255 {
            most.extend([&[0; LIST_BYTES - 1][..], &[1], &[0; PROOF_BYTES]].concat());
        }
        let after = ("room".to_owned(), b"next".to_vec(), vec![7; POST_BYTES]);
        for pass in [impossible, most.clone()] {
            let read = read_posts(&write(&[("room".into(), Vec::new(), pass.clone()), after.clone()]), 2).unwrap();
            assert_eq!((&*read[1].message, read[0].pass.clone().unwrap().to_vec()), (&b"next"[..], pass));
        }
        // Its bytes end in the last list.
        most.truncate(most.len() - PROOF_BYTES - 1);
        let post = PostRequest { scope: "room", message: b"", pass: &most };
        assert_eq!(write_post(&mut Vec::new(), &post), Err(UnframableError::Pass(most.len())));
        assert!(most.len() > MAX_RECORDED_BYTES);
    }

    #[test]
    fn a_scope_that_is_no_text_does_not_void_the_posts_beside_it() {
        let pass = vec![7; POST_BYTES];
        let mut bytes = write(&[("room".into(), b"one".to_vec(), pass.clone())]).to_vec();
        bytes.extend([&[2, 0xc3, 0x28, 0, 0, 0, 0][..], &pass].concat());
        bytes.extend(write(&[("room".into(), b"three".to_vec(), pass)]));
        let read = read_posts(&bytes.into(), 3).unwrap();
        assert_eq!(read.iter().map(|post| post.pass.is_ok()).collect::<Vec<_>>(), [true, false, true]);
        assert_eq!((&*read[2].message, read[1].scope.as_str()), (&b"three"[..], ""));
    }

    #[test]
    fn what_has_no_binary_form_is_not_written() {
        let mut buffer = Vec::new();
        let (scope, pass) = ("x".repeat(256), [0; POST_BYTES]);
        let post = PostRequest { scope: &scope, message: b"", pass: &pass };
        assert_eq!(write_post(&mut buffer, &post), Err(UnframableError::Scope(256)));
        let post = PostRequest { scope: "x", message: b"", pass: &pass[1..] };
        assert_eq!(write_post(&mut buffer, &post), Err(UnframableError::Pass(245)));
        assert!(buffer.is_empty());
    }
}
