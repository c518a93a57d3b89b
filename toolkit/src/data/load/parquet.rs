//! Parquet files, read by polars after the sizes they declare were held against the file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use polars::prelude::{ArrowDataType, DataFrame, FileMetadata, ParquetReader, PlSmallStr, SerReader};

use super::options::TableOptions;
use super::table::{self, Labels, Source};
use super::{check_memory, file_length, guard, name_of, told};
use crate::data::Dataset;
use crate::{Error, Result};

const MAGIC: &[u8; 4] = b"PAR1";

const FORMAT: &str = "Parquet";

impl Dataset {
    /// Examples from a Parquet file. `label_column` names the column with the classes (`None`: no labels);
    /// every other column is a feature and holds a finite number (or a boolean) in every row. The index of a pandas
    /// table is left out; [`notes`](Self::notes) say so.
    ///
    /// # Errors
    /// As [`from_csv`](Self::from_csv), when the file is cut short or declares what is not there, and naming the
    /// column when it holds lists, decimals or other things than numbers.
    pub fn from_parquet<'a>(
        path: impl AsRef<Path>,
        label_column: impl Into<Option<&'a str>>,
    ) -> Result<Self> {
        Self::from_parquet_with(path, label_column, &TableOptions::new())
    }

    /// As [`from_parquet`](Self::from_parquet), with the columns `values` to predict (regression) instead of classes.
    ///
    /// # Errors
    /// As `from_parquet`, and when there is no column of such a name, or no other one.
    pub fn from_parquet_values<S: Into<String>>(
        path: impl AsRef<Path>,
        values: impl IntoIterator<Item = S>,
    ) -> Result<Self> {
        Self::from_parquet_with(path, None, &TableOptions::new().values(values))
    }

    /// As [`from_parquet`](Self::from_parquet), as the options say. Columns that are left out may hold anything.
    ///
    /// # Errors
    /// As `from_parquet`, and when the options do not fit the file.
    pub fn from_parquet_with<'a>(
        path: impl AsRef<Path>,
        label_column: impl Into<Option<&'a str>>,
        options: &TableOptions,
    ) -> Result<Self> {
        let path = path.as_ref();
        let file = path.display().to_string();
        let labels = Labels::of(label_column.into());
        let length = file_length(path)?;
        check_frame(path, &file, length)?;
        let (frame, indexes) = read(path, &file, length, &labels, options)?;
        let place = |row: usize, column: &str| format!("{file}, row {}, column {column}", row + 1);
        let source = Source {
            name: &name_of(path),
            file: &file,
            options,
            indexes: &indexes,
        };
        let data = table::build(&source, &frame, &labels, &place)?;
        Ok(told(data.with_origin(file, "")))
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

/// The table without the columns that are to be left out, and the columns that the file calls an index.
fn read(
    path: &Path,
    file: &str,
    length: u64,
    labels: &Labels<'_>,
    options: &TableOptions,
) -> Result<(DataFrame, Vec<String>)> {
    let opened = File::open(path).map_err(|e| Error::io(path, &e))?;
    let mut reader = ParquetReader::new(opened);
    let metadata = guard(file, FORMAT, || Ok(reader.get_metadata()?.clone()))?;
    let schema = guard(file, FORMAT, || reader.schema())?;
    let names: Vec<String> = schema.iter_names().map(ToString::to_string).collect();
    if let Some(label) = labels.column() {
        table::find_label(file, &names, label)?;
    }
    options.check(file, &names, labels.column())?;
    let wanted: Vec<String> = names
        .into_iter()
        .filter(|name| !options.leaves_out(name))
        .collect();
    for field in schema.iter_values() {
        if options.leaves_out(&field.name) {
            continue;
        }
        if let Some((found, remedy)) = unreadable(field.dtype()) {
            let is_label = labels.column() == Some(field.name.as_str());
            let (wanted, remedy) = match is_label {
                true => (
                    "labels",
                    "write one text or whole number for each row (pandas: astype(str))".to_owned(),
                ),
                false => (
                    "numbers",
                    format!("{remedy}, or leave it out with TableOptions::without"),
                ),
            };
            return Err(
                Error::data(format!("expected a column of {wanted}, found {found}"))
                    .at(format!("{file}, column {}", field.name))
                    .fix(remedy),
            );
        }
    }
    let kept = |path: &[PlSmallStr]| path.first().is_none_or(|name| !options.leaves_out(name));
    guard(file, FORMAT, || Ok(check_metadata(file, length, &metadata, kept)))??;
    let texts: Vec<bool> = schema.iter_values().map(|field| is_text(field.dtype())).collect();
    check_memory(frame_bytes(&metadata, &texts), 1, file)?;
    let frame = guard(file, FORMAT, || {
        reader.with_columns(Some(wanted)).set_rechunk(true).finish()
    })?;
    Ok((frame, index_columns(&metadata)))
}

/// The columns that pandas has written as the index of its table, by its own words in the footer.
fn index_columns(metadata: &FileMetadata) -> Vec<String> {
    let pairs = metadata.key_value_metadata().iter().flatten();
    let said = pairs.filter(|pair| pair.key == "pandas").find_map(|pair| {
        let said: serde_json::Value = serde_json::from_str(pair.value.as_deref()?).ok()?;
        // A range that only counts is told as an object, and is no column.
        let names = said["index_columns"].as_array()?.iter();
        Some(names.filter_map(|name| Some(name.as_str()?.to_owned())).collect())
    });
    said.unwrap_or_default()
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

/// What a column holds that cannot be read as numbers or text, and what to do; none when it can be.
fn unreadable(dtype: &ArrowDataType) -> Option<(String, &'static str)> {
    use ArrowDataType::*;
    Some(match dtype {
        List(_) | LargeList(_) | FixedSizeList(..) => (
            "lists".to_owned(),
            "spread the lists over columns of numbers before writing the file",
        ),
        Struct(_) | Map(..) | Union(_) => (
            "structures".to_owned(),
            "spread their parts over columns before writing the file",
        ),
        Decimal(..) | Decimal32(..) | Decimal64(..) | Decimal256(..) => (
            "decimal numbers".to_owned(),
            "write it as 64-bit floats (pandas: astype(float))",
        ),
        Float16 | UInt128 | Int128 => (
            format!("{dtype:?}"),
            "write it as 32-bit floats or 64-bit integers",
        ),
        _ => return None,
    })
}

/// Everything the footer declares, before memory is taken for it.
fn check_metadata(
    file: &str,
    length: u64,
    metadata: &FileMetadata,
    kept: impl Fn(&[PlSmallStr]) -> bool,
) -> Result<()> {
    let place = |group: usize| format!("{file}, row group {group}");
    let mut rows = 0usize;
    for (i, group) in metadata.row_groups.iter().enumerate() {
        rows = rows.saturating_add(group.num_rows());
        for column in group.parquet_columns() {
            if !kept(&column.descriptor().path_in_schema) {
                continue;
            }
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
