//! A certificate as the bytes of its parts, each for a test to replace. Owns a writer of DER that writes what it is told,
//! DER or not.

/// A tag, the shortest length, and the content.
pub(crate) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let digits = &length[content.len().leading_zeros() as usize / 8..];
    let header = match content.len() {
        0..0x80 => vec![tag, u8::try_from(content.len()).unwrap()],
        _ => [&[tag, 0x80 | u8::try_from(digits.len()).unwrap()], digits].concat(),
    };
    [header, content.to_vec()].concat()
}

/// A SEQUENCE of these elements.
pub(crate) fn sequence<P: AsRef<[u8]>>(parts: &[P]) -> Vec<u8> {
    let content: Vec<u8> = parts.iter().flat_map(|part| part.as_ref()).copied().collect();
    element(0x30, &content)
}

/// An object identifier of small numbers.
pub(crate) fn oid(numbers: &[u8]) -> Vec<u8> {
    element(6, &[&[40 * numbers[0] + numbers[1]], &numbers[2..]].concat())
}

/// The value of a subjectAltName with these names, each a tag and its content.
pub(crate) fn san(names: &[(u8, &[u8])]) -> Vec<u8> {
    sequence(&names.iter().map(|(tag, content)| element(*tag, content)).collect::<Vec<_>>())
}

/// The parts of a certificate, in DER.
#[derive(Clone)]
pub(crate) struct Raw {
    pub(crate) version: Vec<u8>,
    pub(crate) serial: Vec<u8>,
    pub(crate) algorithm: Vec<u8>,
    pub(crate) issuer: Vec<u8>,
    pub(crate) not_before: Vec<u8>,
    pub(crate) not_after: Vec<u8>,
    pub(crate) subject: Vec<u8>,
    pub(crate) key: Vec<u8>,
    /// Whatever stands between the key and the extensions.
    pub(crate) unique_ids: Vec<u8>,
    pub(crate) extensions: Vec<Vec<u8>>,
    /// Whatever stands behind the extensions.
    pub(crate) surplus: Vec<u8>,
    pub(crate) outer_algorithm: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

impl Raw {
    /// Ecdsa-with-SHA256, over a key on P-256.
    pub(crate) const ECDSA: [u8; 10] = [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    const EC: [u8; 9] = [6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
    pub(crate) const P256: [u8; 10] = [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];

    /// A correct svid.
    pub(crate) fn leaf(uri: &str) -> Self {
        let both = [&[0x2b, 6, 1, 5, 5, 7, 3, 1], &[0x2b, 6, 1, 5, 5, 7, 3, 2]];
        Self::with(vec![
            Self::extension(15, true, &[3, 2, 7, 0x80]),
            Self::extension(37, false, &sequence(&both.map(|usage| element(6, usage)))),
            Self::extension(19, true, &[0x30, 0]),
            Self::extension(17, true, &san(&[(0x86, uri.as_bytes())])),
        ])
    }

    /// A correct authority.
    pub(crate) fn authority(uri: &str) -> Self {
        Self::with(vec![
            Self::extension(15, true, &[3, 2, 1, 6]),
            Self::extension(19, true, &[0x30, 3, 1, 1, 0xff]),
            Self::extension(17, true, &san(&[(0x86, uri.as_bytes())])),
        ])
    }

    fn with(extensions: Vec<Vec<u8>>) -> Self {
        Self {
            version: vec![0xa0, 3, 2, 1, 2],
            serial: element(2, &[0x11, 0x22]),
            algorithm: sequence(&[Self::ECDSA]),
            issuer: Self::name(b"test"),
            not_before: element(0x17, b"260101000000Z"),
            not_after: element(0x17, b"260102000000Z"),
            subject: sequence::<&[u8]>(&[]),
            key: Self::known_key(),
            unique_ids: Vec::new(),
            extensions,
            surplus: Vec::new(),
            outer_algorithm: sequence(&[Self::ECDSA]),
            signature: element(3, &[0, 0x30, 0]),
        }
    }

    /// A name with one common name.
    pub(crate) fn name(common: &[u8]) -> Vec<u8> {
        let pair = sequence(&[oid(&[2, 5, 4, 3]), element(0x0c, common)]);
        sequence(&[element(0x31, &pair)])
    }

    /// The public key on P-256 whose private one is 1.
    fn known_key() -> Vec<u8> {
        let private = std::iter::repeat_n(0, 31).chain([1]).collect::<Vec<u8>>();
        let pair =
            aws_lc_rs::agreement::PrivateKey::from_private_key(&aws_lc_rs::agreement::ECDH_P256, &private);
        let public = pair.unwrap().compute_public_key().unwrap();
        Self::key_of(&Self::P256, public.as_ref())
    }

    /// What looks like a point on this curve, of this size.
    pub(crate) fn ec_key(curve: &[u8], size: usize) -> Vec<u8> {
        Self::key_of(curve, &[&[4], &vec![0x55; size - 1][..]].concat())
    }

    fn key_of(curve: &[u8], point: &[u8]) -> Vec<u8> {
        let point = [&[0], point].concat();
        sequence(&[sequence(&[&Self::EC[..], curve]), element(3, &point)])
    }

    /// An RSA key of so many bits, with this exponent.
    pub(crate) fn rsa_key(bits: usize, exponent: &[u8]) -> Vec<u8> {
        let mut modulus = vec![0xff; bits.div_ceil(8)];
        modulus[0] = 0xff >> (8 * modulus.len() - bits);
        if modulus[0] & 0x80 != 0 {
            modulus.insert(0, 0);
        }
        let numbers = sequence(&[element(2, &modulus), element(2, exponent)]);
        let algorithm = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
        sequence(&[sequence(&[algorithm]), element(3, &[&[0], &numbers[..]].concat())])
    }

    /// An extension under id-ce.
    pub(crate) fn extension(arc: u8, critical: bool, value: &[u8]) -> Vec<u8> {
        let flag: &[u8] = if critical { &[1, 1, 0xff] } else { &[] };
        sequence(&[&oid(&[2, 5, 29, arc])[..], flag, &element(4, value)])
    }

    /// Puts an extension in the place of the one of its kind, or adds it.
    pub(crate) fn set(&mut self, arc: u8, critical: bool, value: &[u8]) {
        let oid = oid(&[2, 5, 29, arc]);
        let is_other = |extension: &Vec<u8>| !extension.windows(oid.len()).any(|window| window == oid);
        self.extensions.retain(is_other);
        self.extensions.push(Self::extension(arc, critical, value));
    }

    /// Both places where the signature's algorithm is named.
    pub(crate) fn sign_with(&mut self, algorithm: &[u8]) {
        self.algorithm = sequence(&[algorithm]);
        self.outer_algorithm = self.algorithm.clone();
    }

    /// The certificate.
    pub(crate) fn der(&self) -> Vec<u8> {
        let extensions = match self.extensions.as_slice() {
            [] => Vec::new(),
            list => element(0xa3, &sequence(list)),
        };
        let signed = sequence(&[
            &self.version,
            &self.serial,
            &self.algorithm,
            &self.issuer,
            &sequence(&[&self.not_before, &self.not_after]),
            &self.subject,
            &self.key,
            &self.unique_ids,
            &extensions,
            &self.surplus,
        ]);
        sequence(&[&signed, &self.outer_algorithm, &self.signature])
    }
}
