using System.Buffers.Text;
using System.Collections.Immutable;
using System.IO.Hashing;
using System.Runtime.CompilerServices;
using System.Text;
using BillingMigration.Definition;

namespace BillingMigration.Model;

/// <summary>A key template bound to the columns of a row's layout; renders the key attribute's value.</summary>
public sealed class BoundKeyTemplate
{
    private readonly ImmutableArray<Piece> pieces;

    private BoundKeyTemplate(KeyTemplate template, ImmutableArray<Piece> pieces)
    {
        Template = template;
        this.pieces = pieces;
    }

    public KeyTemplate Template { get; }

    private enum Render
    {
        Literal,
        Value,
        Padded,
        Collated,
        Cut,
        Shard,
    }

    /// <param name="Width">Padded: digits; Cut: bytes; Shard: digits of the shard number.</param>
    private sealed record Piece(Render Render, byte[] Literal, int RowIndex, AttributeForm Form, int Width, int Shards, CollationKey? Collation = null);

    internal static BoundKeyTemplate Bind(
        EntityDefinition definition, KeyTemplate template, ImmutableArray<RowColumn> row, Func<EntityDefinition, ColumnSchema, AttributeForm> formOf)
    {
        var pieces = template.Parts.Select(part =>
        {
            if (part is KeyLiteral literal)
            {
                return new Piece(Render.Literal, Encoding.UTF8.GetBytes(literal.Text), -1, default, 0, 0);
            }

            var column = (KeyColumn)part;
            var index = EntityModel.Find(row, column.Lookup, column.Column);
            if (index < 0)
            {
                throw EntityModel.Misfit(definition, $"uses the column {column.Column} in the key template \"{template.Text}\", which {definition.Table} does not have");
            }

            var schema = row[index].Column;
            if (schema.Generated == GeneratedColumn.Virtual)
            {
                throw EntityModel.Misfit(definition, $"uses the virtual generated column {column.Column} in the key template \"{template.Text}\"; virtual columns are not in the binlog, so no key can be made from them");
            }

            var form = column.Lookup is null ? formOf(definition, schema) : AttributeForms.For(schema, null) ?? AttributeForm.Text;
            return column switch
            {
                { Shards: int shards } => new Piece(Render.Shard, [], index, form, Math.Max(2, (shards - 1).ToString(System.Globalization.CultureInfo.InvariantCulture).Length), shards),
                { Format: ['D', .. var width] } => new Piece(Render.Padded, [], index, form, int.Parse(width, System.Globalization.CultureInfo.InvariantCulture), 0),
                { IsCollated: true } => new Piece(Render.Collated, [], index, form, 0, 0, CollationOf(definition, template, schema)),
                { Format: { } format } => new Piece(Render.Cut, [], index, form, format.Length, 0),
                _ => new Piece(Render.Value, [], index, form, 0, 0),
            };
        });
        return new BoundKeyTemplate(template, [.. pieces]);
    }

    private static CollationKey CollationOf(EntityDefinition definition, KeyTemplate template, ColumnSchema column) =>
        (column.IsShortText() ? CollationKey.Of(column) : null) ?? throw EntityModel.Misfit(
            definition, $"uses {{{column.Name}:{KeyColumn.Collated}}} in the key template \"{template.Text}\", but {CollationKey.WhyUnknown(column)}");

    /// <summary>Text that every value begins with; empty when it begins with a column's.</summary>
    public string LiteralPrefix => pieces is [{ Render: Render.Literal } first, ..] ? Encoding.UTF8.GetString(first.Literal) : "";

    /// <summary>True when every column of the template is NOT NULL in this row.</summary>
    [MethodImpl(HotPath.Optimized)]
    public bool HasValue(RowBuffer row)
    {
        foreach (var piece in pieces)
        {
            if (piece.Render != Render.Literal && row.IsNull(piece.RowIndex))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Appends the leading pieces whose columns are known.</summary>
    /// <param name="row">Has the known columns' values.</param>
    /// <param name="isKnown">By the index in the row's layout.</param>
    /// <param name="next">The first column that is not known; -1: all are, and the value is complete.</param>
    /// <returns>False when a known value cannot be part of the key.</returns>
    internal bool TryRenderKnown(RowBuffer row, Func<int, bool> isKnown, ScratchBuffer into, out int next)
    {
        var count = 0;
        while (count < pieces.Length && (pieces[count].Render == Render.Literal || isKnown(pieces[count].RowIndex)))
        {
            count++;
        }

        next = count < pieces.Length ? pieces[count].RowIndex : -1;
        return new BoundKeyTemplate(Template, pieces[..count]).TryRender(row, into, out _);
    }

    /// <summary>True when keys that are equal up to this column sort as its values do.</summary>
    internal bool SortsBy(int rowIndex) => pieces.FirstOrDefault(p => p.Render != Render.Literal && p.RowIndex == rowIndex) is { } piece
        && (piece.Render == Render.Padded || (piece.Render == Render.Value && piece.Form is AttributeForm.Date or AttributeForm.DateTime or AttributeForm.Timestamp));

    /// <summary>Number of shards that a column's values are spread over; 0 when it stands in the key otherwise.</summary>
    internal int ShardsOf(int rowIndex) => pieces.Where(p => p.Render == Render.Shard && p.RowIndex == rowIndex).Select(p => p.Shards).FirstOrDefault();

    /// <summary>True when the column stands in the key as its collation compares it.</summary>
    internal bool IsCollated(int rowIndex) => pieces.Any(p => p.Render == Render.Collated && p.RowIndex == rowIndex);

    /// <summary>True when a date is cut to its month.</summary>
    internal bool IsMonthOf(int rowIndex) => pieces.Any(p => p.Render == Render.Cut && p.RowIndex == rowIndex && p.Width == "yyyy-MM".Length);

    /// <summary>Indexes in the row's layout of its columns.</summary>
    internal IEnumerable<int> RowIndexes => pieces.Where(p => p.Render != Render.Literal).Select(p => p.RowIndex);

    /// <summary>Appends the key's value; false when a value cannot be part of it, with the reason.</summary>
    [MethodImpl(HotPath.Optimized)]
    internal bool TryRender(RowBuffer row, ScratchBuffer into, out RowRefusal refusal)
    {
        refusal = default;
        Span<byte> text = stackalloc byte[CanonicalNumber.MaxLength];
        foreach (var piece in pieces)
        {
            if (piece.Render == Render.Literal)
            {
                into.Append(piece.Literal);
                continue;
            }

            var value = row[piece.RowIndex];
            scoped ReadOnlySpan<byte> canonical = value;
            if (AttributeForms.TypeOf(piece.Form) == AttributeType.N || piece.Form is AttributeForm.Date or AttributeForm.DateTime or AttributeForm.Timestamp)
            {
                if (CanonicalValue.Write(piece.Form, value, text, out var length) is { } verdict)
                {
                    refusal = verdict;
                    return false;
                }

                canonical = text[..length];
            }

            switch (piece.Render)
            {
                case Render.Padded:
                    if (canonical[0] == (byte)'-' || canonical.Length > piece.Width)
                    {
                        refusal = new RowRefusal("KeyNumberUnfit", $"the key template \"{Template.Text}\" takes numbers of 0 to {piece.Width} digits only, and this one is negative or longer");
                        return false;
                    }

                    into.AppendZeros(piece.Width - canonical.Length);
                    into.Append(canonical);
                    break;
                case Render.Cut:
                    into.Append(canonical[..Math.Min(piece.Width, canonical.Length)]);
                    break;
                case Render.Shard:
                    AppendShard(piece, canonical, into);
                    break;
                case Render.Collated:
                    var start = into.Written.Length;
                    piece.Collation!.Append(canonical, into);
                    EscapeFrom(start, into);
                    break;
                default:
                    AppendValue(piece.Form, canonical, into);
                    break;
            }
        }

        return true;
    }

    /// <summary>
    /// Takes values of a row out of a key that was rendered from it; those that are cut, sharded or collated, and all behind a piece that does not end
    /// with <c>#</c>, are left out.
    /// </summary>
    /// <param name="isWanted">By the index in the row's layout.</param>
    internal void Read(string key, RowBuffer into, Func<int, bool> isWanted)
    {
        var rest = key.AsSpan();
        for (var i = 0; i < pieces.Length; i++)
        {
            var piece = pieces[i];
            if (piece.Render == Render.Literal)
            {
                var literal = Encoding.UTF8.GetString(piece.Literal);
                if (!rest.StartsWith(literal, StringComparison.Ordinal))
                {
                    return;
                }

                rest = rest[literal.Length..];
                continue;
            }

            if (i + 1 < pieces.Length && pieces[i + 1].Literal is not [(byte)'#', ..])
            {
                return;
            }

            var end = rest.IndexOf('#') is >= 0 and var at ? at : rest.Length;
            if (piece.Render is Render.Value or Render.Padded && isWanted(piece.RowIndex))
            {
                into.Set(piece.RowIndex, ValueOf(piece, rest[..end].ToString()));
            }

            rest = rest[end..];
        }
    }

    private static byte[] ValueOf(Piece piece, string text) => piece.Form switch
    {
        AttributeForm.Binary => Convert.FromHexString(text),
        AttributeForm.DateTime or AttributeForm.Timestamp => Encoding.UTF8.GetBytes(text.Replace('T', ' ').TrimEnd('Z')),
        _ when piece.Render == Render.Padded => Encoding.UTF8.GetBytes(text.TrimStart('0') is { Length: > 0 } digits ? digits : "0"),
        _ => Encoding.UTF8.GetBytes(text.Replace("%23", "#", StringComparison.Ordinal).Replace("%25", "%", StringComparison.Ordinal)),
    };

    /// <summary>Numbers by their remainder, so that neighbours spread evenly; other values by XXH64.</summary>
    private static void AppendShard(Piece piece, ReadOnlySpan<byte> canonical, ScratchBuffer into)
    {
        var number = piece.Form == AttributeForm.Integer && Utf8Parser.TryParse(canonical, out ulong value, out var used) && used == canonical.Length
            ? value
            : XxHash64.HashToUInt64(canonical);
        Span<byte> digits = stackalloc byte[8];
        Utf8Formatter.TryFormat(number % (ulong)piece.Shards, digits, out var length);
        into.AppendZeros(piece.Width - length);
        into.Append(digits[..length]);
    }

    /// <summary><c>#</c> separates the parts of a key: in a value it stands as <c>%23</c>, and <c>%</c> as <c>%25</c>, so that no two rows share a key.</summary>
    private static void AppendValue(AttributeForm form, ReadOnlySpan<byte> canonical, ScratchBuffer into)
    {
        if (form == AttributeForm.Binary)
        {
            into.Append(Encoding.ASCII.GetBytes(Convert.ToHexString(canonical)));
            return;
        }

        while (canonical.IndexOfAny((byte)'#', (byte)'%') is >= 0 and var at)
        {
            into.Append(canonical[..at]);
            into.Append(canonical[at] == (byte)'#' ? "%23"u8 : "%25"u8);
            canonical = canonical[(at + 1)..];
        }

        into.Append(canonical);
    }

    private static void EscapeFrom(int start, ScratchBuffer into)
    {
        if (into.Written[start..].IndexOfAny((byte)'#', (byte)'%') >= 0)
        {
            var plain = into.Written[start..].ToArray();
            into.CutTo(start);
            AppendValue(AttributeForm.Text, plain, into);
        }
    }
}

/// <summary>A growing byte buffer for one key value at a time.</summary>
internal sealed class ScratchBuffer
{
    private byte[] data = new byte[256];
    private int length;

    public ReadOnlySpan<byte> Written => data.AsSpan(0, length);

    public void Clear() => length = 0;

    public void Append(ReadOnlySpan<byte> bytes)
    {
        Grow(bytes.Length);
        bytes.CopyTo(data.AsSpan(length));
        length += bytes.Length;
    }

    public void Append(byte value)
    {
        Grow(1);
        data[length++] = value;
    }

    public void CutTo(int end) => length = end;

    public void TrimBlanks(int start) => length = start + data.AsSpan(start, length - start).TrimEnd((byte)' ').Length;

    public void AppendZeros(int count)
    {
        Grow(count);
        data.AsSpan(length, count).Fill((byte)'0');
        length += count;
    }

    private void Grow(int more)
    {
        if (data.Length - length < more)
        {
            Array.Resize(ref data, Math.Max(data.Length * 2, length + more));
        }
    }
}
