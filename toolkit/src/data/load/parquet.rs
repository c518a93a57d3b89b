//! Parquet files, read by polars after the sizes they declare were held against the file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use polars::prelude::{ArrowDataType, DataFrame, FileMetadata, ParquetReader, SerReader};

use super::table::{self, Labels};
use super::{check_memory, file_length, guard, name_of};
use crate::data::Dataset;
use crate::{Error, Result};

const MAGIC: &[u8; 4] = b"PAR1";

const FORMAT: &str = "Parquet";

impl Dataset {
    /// Examples from a Parquet file. `label_column` names the column with the classes (`None`: no labels);
    /// every other column is a feature and holds a finite number (or a boolean) in every row.
    ///
    /// # Errors
    /// As [`from_csv`](Self::from_csv), and when the file is cut short or declares what is not there.
    pub fn from_parquet<'a>(
        path: impl AsRef<Path>,
        label_column: impl Into<Option<&'a str>>,
    ) -> Result<Self> {
        let path = path.as_ref();
        let file = path.display().to_string();
        let length = file_length(path)?;
        check_frame(path, &file, length)?;
        let frame = read(path, &file, length)?;
        let place = |row: usize, column: &str| format!("{file}, row {}, column {column}", row + 1);
        let labels = Labels::of(label_column.into());
        let data = table::build(&name_of(path), &file, &frame, &labels, &place)?;
        Ok(data.with_origin(file, ""))
    }
}

/// The magic number at both ends and the length of the footer.
fn check_frame(path: &Path, file: &str, length: u64) -> Result<()> {
    const LEAST: u64 = 12;
    if length < LEAST {
        return Err(Error::data(format!(
            "expected a Parquet file of at least {LEAST} bytes, found {length}"
        ))
        .at(file));
    }
    let io = |e: std::io::Error| Error::io(path, &e);
    let mut input = File::open(path).map_err(io)?;
    let (mut head, mut tail) = ([0; 4], [0; 8]);
    input.read_exact(&mut head).map_err(io)?;
    input.seek(SeekFrom::End(-8)).map_err(io)?;
    input.read_exact(&mut tail).map_err(io)?;
    for (found, at) in [(&head[..], 0), (&tail[4..], length - 4)] {
        if found != MAGIC {
            return Err(Error::data(format!(
                "expected the magic number PAR1 of a Parquet file, found {:?}",
                String::from_utf8_lossy(found)
            ))
            .at(format!("{file}, byte {at}")));
        }
    }
    let footer = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    if footer > length - LEAST {
        return Err(Error::data(format!(
            "expected a footer of at most {} bytes, found a declared length of {footer}",
            length - LEAST
        ))
        .at(format!("{file}, byte {}", length - 8)));
    }
    Ok(())
}

fn read(path: &Path, file: &str, length: u64) -> Result<DataFrame> {
    let opened = File::open(path).map_err(|e| Error::io(path, &e))?;
    let mut reader = ParquetReader::new(opened);
    let metadata = guard(file, FORMAT, || Ok(reader.get_metadata()?.clone()))?;
    guard(file, FORMAT, || Ok(check_metadata(file, length, &metadata)))??;
    let schema = guard(file, FORMAT, || reader.schema())?;
    let texts: Vec<bool> = schema.iter_values().map(|field| is_text(field.dtype())).collect();
    check_memory(frame_bytes(&metadata, &texts), 1, file)?;
    guard(file, FORMAT, || reader.set_rechunk(true).finish()).map_err(|error| {
        // polars does not say which column it could not take.
        match schema.iter_values().find(|field| is_rare(field.dtype())) {
            Some(field) => Error::data(format!(
                "expected a column of 32- or 64-bit numbers, booleans or text, found {:?}",
                field.dtype()
            ))
            .at(format!("{file}, column {}", field.name))
            .fix("write the column as 32-bit integers or floats"),
            None => error,
        }
    })
}

fn is_text(dtype: &ArrowDataType) -> bool {
    use ArrowDataType::*;
    matches!(
        dtype,
        Utf8 | LargeUtf8 | Utf8View | Binary | LargeBinary | BinaryView
    )
}

/// Bytes of the table that polars makes of the file, by what the footer declares: 8 a number, at most; for
/// text 16 and the characters. `texts` says which columns are text.
fn frame_bytes(metadata: &FileMetadata, texts: &[bool]) -> u64 {
    let mut bytes = 0u64;
    for group in &metadata.row_groups {
        for (column, &text) in group.parquet_columns().iter().zip(texts) {
            let (each, characters) = if text {
                (16, u64::try_from(column.uncompressed_size()).unwrap_or(0))
            } else {
                (8, 0)
            };
            bytes = bytes
                .saturating_add((group.num_rows() as u64).saturating_mul(each))
                .saturating_add(characters);
        }
    }
    bytes
}

/// Types that polars may be built without.
fn is_rare(dtype: &ArrowDataType) -> bool {
    use ArrowDataType::*;
    matches!(
        dtype,
        UInt8
            | UInt16
            | UInt128
            | Int128
            | Float16
            | Decimal(..)
            | Decimal32(..)
            | Decimal64(..)
            | Decimal256(..)
            | FixedSizeList(..)
    )
}

/// Everything the footer declares, before memory is taken for it.
fn check_metadata(file: &str, length: u64, metadata: &FileMetadata) -> Result<()> {
    let place = |group: usize| format!("{file}, row group {group}");
    let mut rows = 0usize;
    for (i, group) in metadata.row_groups.iter().enumerate() {
        rows = rows.saturating_add(group.num_rows());
        for column in group.parquet_columns() {
            let range = column.byte_range();
            if range.start > range.end || range.end > length {
                return Err(Error::data(format!(
                    "expected column data within the file's {length} bytes, found bytes {} to {}",
                    range.start, range.end
                ))
                .at(place(i)));
            }
            let values = column.num_values();
            if values < 0 || values as u64 != group.num_rows() as u64 {
                return Err(Error::data(format!(
                    "expected {} values in a column as there are rows, found {values}",
                    group.num_rows()
                ))
                .at(place(i))
                .fix("columns of lists cannot be features: spread them over columns first"));
            }
        }
    }
    if rows != metadata.num_rows {
        return Err(Error::data(format!(
            "expected {} rows as the footer declares, found {rows} in the row groups",
            metadata.num_rows
        ))
        .at(file));
    }
    Ok(())
}
