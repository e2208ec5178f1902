using System.Collections.Immutable;
using System.Numerics;
using System.Runtime.CompilerServices;
using BillingMigration.Model;

namespace BillingMigration.Source.Binlog;

/// <summary>
/// Reads the row images of one table layout into rows of an entity, with the very texts that a SELECT of the row gives. Columns of lookups are left
/// NULL: they are other tables'. Not thread-safe.
/// </summary>
public sealed class RowDecoder : IRowImageReader
{
    private readonly ValueDecoder[] decoders;
    private readonly int[] targets;
    private readonly int[] absent;
    private readonly bool[] isJson;
    private readonly (int Start, int Length)[] jsonBefore;

    private RowDecoder(TableMap map, ValueDecoder[] decoders, int[] targets, int[] absent)
    {
        (this.decoders, this.targets, this.absent) = (decoders, targets, absent);
        isJson = [.. map.Columns.Select(c => c.Type == BinlogColumnType.Json)];
        jsonBefore = new (int, int)[decoders.Length];
    }

    /// <param name="map">With names, columns are found by them; without, by their order, which must be that of <see cref="EntityModel.Table"/>.</param>
    /// <param name="charsets">Those of the model's columns are loaded.</param>
    /// <exception cref="MigrationException"><c>TableLayoutUnknown</c>: the rows are laid out otherwise than the schema says.</exception>
    public static RowDecoder Bind(TableMap map, EntityModel model, CharsetTable charsets)
    {
        var stored = Stored(map, model);
        var decoders = new ValueDecoder[map.Columns.Length];
        var targets = new int[map.Columns.Length];
        for (var i = 0; i < decoders.Length; i++)
        {
            targets[i] = stored[i] is { } schema ? EntityModel.Find(model.Row, null, schema.Name) : -1;
            if (targets[i] >= 0 && !ColumnDecoders.Fits(map.Columns[i], stored[i]!))
            {
                throw Unknown(map, $"its column {stored[i]!.Name} is of type {map.Columns[i].Type} in the binlog and {stored[i]!.ColumnType} in the source's schema");
            }

            decoders[i] = targets[i] >= 0 ? ColumnDecoders.For(map.Columns[i], stored[i]!, charsets, model.ExactTexts.Contains(targets[i])) : ColumnDecoders.ForSkipping(map.Columns[i], stored[i]);
        }

        // Rows from before ALTER TABLE … ADD COLUMN: in the source they have NULL there now, without a row event.
        var missing = Enumerable.Range(0, model.Row.Length)
            .Where(r => model.Row[r].Lookup is null && !targets.Contains(r) && !(map.HasNames && IsNullByDefault(model.Row[r].Column))).ToArray();
        if (missing.Length > 0)
        {
            throw Unknown(map, $"they have no column {model.Row[missing[0]].Column.Name}");
        }

        return new RowDecoder(map, decoders, targets, [.. Enumerable.Range(0, model.Row.Length).Except(targets)]);
    }

    private static bool IsNullByDefault(ColumnSchema column) => column is { Nullable: true, Default: null, Generated: GeneratedColumn.No };

    [MethodImpl(HotPath.Optimized)]
    public int Decode(ReadOnlySpan<byte> image, ReadOnlySpan<byte> present, RowBuffer row)
    {
        row.Clear();
        foreach (var column in absent)
        {
            row.SetNull(column);
        }

        var nulls = Nulls(image, present);
        var at = nulls.Length;
        var seen = 0;
        for (var i = 0; i < decoders.Length; i++)
        {
            var target = targets[i];
            if (!Bit(present, i) || Bit(nulls, seen++))
            {
                SetNull(row, target);
                jsonBefore[i] = (-1, 0);
                continue;
            }

            var length = target < 0 ? decoders[i].Skip(image[at..]) : decoders[i].Decode(image[at..], row, target);
            jsonBefore[i] = (at, length);
            at += length;
        }

        return at;
    }

    public int DecodePartial(ReadOnlySpan<byte> image, ReadOnlySpan<byte> present, ReadOnlySpan<byte> before, ReadOnlySpan<byte> beforePresent, RowBuffer row)
    {
        const int PartialJson = 1;
        var reader = new EventReader(image);
        var isPartial = (reader.Packed() & PartialJson) != 0;
        var partial = isPartial ? reader.Bytes((isJson.Count(j => j) + 7) / 8) : [];
        row.Clear();
        foreach (var column in absent)
        {
            row.SetNull(column);
        }

        var nulls = Nulls(reader.Rest, present);
        reader.Bytes(nulls.Length);
        var (seen, json) = (0, 0);
        for (var i = 0; i < decoders.Length; i++)
        {
            var differs = isJson[i] && isPartial && Bit(partial, json++);
            if (!Bit(present, i) || Bit(nulls, seen++))
            {
                SetNull(row, targets[i]);
            }
            else if (differs)
            {
                Patch(i, before, reader.Bytes((int)reader.UInt32()), row);
            }
            else
            {
                reader.Bytes(targets[i] < 0 ? decoders[i].Skip(reader.Rest) : decoders[i].Decode(reader.Rest, row, targets[i]));
            }
        }

        return reader.Position;
    }

    private void Patch(int column, ReadOnlySpan<byte> before, ReadOnlySpan<byte> differences, RowBuffer row)
    {
        if (targets[column] < 0)
        {
            return;
        }

        var (start, length) = jsonBefore[column];
        if (start < 0 || decoders[column] is not JsonDecoder decoder)
        {
            throw EventErrors.Unreadable("a difference of JSON comes without the document that it changes");
        }

        decoder.WritePatched(decoder.Value(before.Slice(start, length)), differences, row, targets[column]);
    }

    private static void SetNull(RowBuffer row, int target)
    {
        if (target >= 0)
        {
            row.SetNull(target);
        }
    }

    private ReadOnlySpan<byte> Nulls(ReadOnlySpan<byte> image, ReadOnlySpan<byte> present)
    {
        // MySQL sets the bits behind the last column.
        var columns = BitOperations.PopCount((uint)present[^1] & (0xFFu >> ((8 - (decoders.Length & 7)) & 7)));
        foreach (var bits in present[..^1])
        {
            columns += BitOperations.PopCount(bits);
        }

        var length = (columns + 7) / 8;
        return length <= image.Length ? image[..length] : throw EventErrors.Unreadable("a row is cut short");
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool Bit(ReadOnlySpan<byte> bits, int index) => (bits[index >> 3] & (1 << (index & 7))) != 0;

    /// <summary>The schema's column of each column in the binlog; null for one that is not migrated.</summary>
    private static ImmutableArray<ColumnSchema?> Stored(TableMap map, EntityModel model)
    {
        if (map.HasNames)
        {
            return [.. map.Columns.Select(c => model.Table.FindColumn(c.Name!))];
        }

        // Virtual generated columns are in the binlog of both servers (seen on MySQL 9.7 and MariaDB 10.11).
        var all = model.Table.Columns;
        return map.Columns.Length == all.Length
            ? [.. all]
            : throw Unknown(map, $"they have {map.Columns.Length} columns and the source's schema {all.Length}");
    }

    internal static MigrationException Unknown(TableMap map, string why) => new(
        "TableLayoutUnknown", MigrationErrorKind.WrongState,
        $"The rows of {map.Database}.{map.Table} in the binlog cannot be read as the source's schema says: {why}.", map.Table);
}
