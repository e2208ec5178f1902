using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using BillingMigration.Model;
using MySqlConnector;

namespace BillingMigration.Source;

/// <summary>Copies the current row of a result set of <see cref="SelectStatement"/> into a <see cref="RowBuffer"/>.</summary>
public sealed class RowReader(EntityModel model, SelectStatement statement)
{
    private const int Room = 1024;
    private readonly ImmutableArray<int> ordinalKeys = statement.OrdinalKeyColumns;
    private readonly bool[] floats = [.. model.Row.Select(c => FloatText.IsOf(c.Column))];
    private readonly RowBuffer ordinals = new(Math.Max(1, statement.OrdinalKeyColumns.Length));

    [MethodImpl(HotPath.Optimized)]
    public void Read(MySqlDataReader reader, RowBuffer row)
    {
        row.Clear();
        var count = model.Row.Length;
        for (var i = 0; i < count; i++)
        {
            Copy(reader, i, row, i);
        }

        ordinals.Clear();
        for (var i = 0; i < ordinalKeys.Length; i++)
        {
            CopyBytes(reader, count + i, ordinals, i);
        }
    }

    /// <summary>The primary key of the row last read, as a checkpoint holds it.</summary>
    public ImmutableArray<string> Key(RowBuffer row)
    {
        var key = ImmutableArray.CreateBuilder<string>(model.PrimaryKey.Length);
        for (var i = 0; i < model.PrimaryKey.Length; i++)
        {
            var ordinal = ordinalKeys.IndexOf(i);
            var column = model.PrimaryKey[i];
            key.Add(ordinal < 0 ? KeyText.Of(model.Row[column].Column, row[column]) : System.Text.Encoding.ASCII.GetString(ordinals[ordinal]));
        }

        return key.MoveToImmutable();
    }

    [MethodImpl(HotPath.Optimized)]
    private void Copy(MySqlDataReader reader, int ordinal, RowBuffer row, int column)
    {
        if (reader.IsDBNull(ordinal))
        {
            row.SetNull(column);
            return;
        }

        if (floats[column])
        {
            // The text takes the place of the point that it is made of.
            var buffer = row.Reserve(Room);
            var length = (int)reader.GetBytes(ordinal, 0, buffer, row.Used, FloatText.PointBytes + 1);
            row.Commit(column, FloatText.OfPoint(buffer.AsSpan(row.Used, length), buffer.AsSpan(row.Used)));
            return;
        }

        CopyBytes(reader, ordinal, row, column);
    }

    private static void CopyBytes(MySqlDataReader reader, int ordinal, RowBuffer row, int column)
    {
        var buffer = row.Reserve(Room);
        var free = buffer.Length - row.Used;
        var length = (int)reader.GetBytes(ordinal, 0, buffer, row.Used, free);
        if (length == free)
        {
            length = (int)reader.GetBytes(ordinal, 0, null, 0, 0);
            buffer = row.Reserve(length);
            reader.GetBytes(ordinal, 0, buffer, row.Used, length);
        }

        row.Commit(column, length);
    }
}
