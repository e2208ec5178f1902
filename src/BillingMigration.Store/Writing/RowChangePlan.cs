using System.Collections.Immutable;
using System.Numerics;
using System.Text;
using BillingMigration.Model;

namespace BillingMigration.Store;

/// <summary>A change as rows: what was there, what will be.</summary>
/// <param name="Before">Null for an insert.</param>
/// <param name="After">Null for a delete.</param>
/// <param name="GeneratedKey">The column of an insert whose value the backend generates; -1: none.</param>
/// <param name="Pending">Columns that take a value of another insert of the unit, when that is known.</param>
internal sealed record PlannedChange(EntityModel Model, RowBuffer? Before, RowBuffer? After, int GeneratedKey, ImmutableArray<(int Column, ValueOf Value)> Pending)
{
    /// <summary>Null: nothing is added. Else there is neither <see cref="Before"/> nor <see cref="After"/>.</summary>
    public Addition? Add { get; init; }

    /// <summary>The unit itself has found the row: that it has changed since is no refusal.</summary>
    public bool IsFound { get; init; }

    /// <summary>The row is that of a call with a key, the last of its unit: it says what the unit has done. Null: it is another.</summary>
    public PendingAnswer? Answer { get; init; }

    public bool Changes(int column) => Before is null || After is null || Before.Differs(After, column);

    /// <summary>Takes what the row needs of other rows of its unit, which are known by now, as if the application had passed their values.</summary>
    /// <param name="row">The row as it will be.</param>
    /// <param name="changes">Of the unit.</param>
    /// <param name="written">Their rows, those before this one complete.</param>
    /// <exception cref="StoreException"><see cref="StoreError.ValueInvalid"/>: a value does not fit its column.</exception>
    public void Complete(RowBuffer row, IReadOnlyList<PlannedChange> changes, IReadOnlyList<RowBuffer?> written)
    {
        foreach (var (column, value) in Pending)
        {
            var (source, other) = (changes[value.Change].Model, written[value.Change]!);
            var index = StoreColumns.Find(source, value.Column);
            if (source.Row[index].Column.ColumnType == Model.Row[column].Column.ColumnType && !other.IsNull(index))
            {
                row.Take(column, other, index);
            }
            else
            {
                ChangePlanner.SetValue(Model, row, column, new BillingRecord(source, other)[value.Column]);
            }
        }

        Answer?.Set(row, Model, changes, written);
    }
}

/// <summary>Turns changes into rows, the same for every backend: defaults, values that the server would set by itself, and everything that does not fit is refused here.</summary>
internal sealed class ChangePlanner(BillingModel model, TimeProvider time)
{
    /// <summary>That a decimal of .NET can be rounded to.</summary>
    private const int MostDecimals = 28;

    /// <summary>Of a DECIMAL, on every server.</summary>
    private const int MostScale = 38;

    public ImmutableArray<PlannedChange> Plan(UnitOfWork work)
    {
        ImmutableArray<PlannedChange> changes = [.. work.Changes.Select((change, i) => change switch
        {
            InsertChange insert => Insert(insert, work.Changes[..i]),
            UpdateChange update => Update(update, work.Changes[..i]),
            DeleteChange { Read: var read } => Delete(read),
            AddChange add => Add(add),
            _ => throw new InvalidOperationException("an unknown change"),
        })];
        foreach (var twice in changes.Where(c => c.Before is not null).GroupBy(c => (c.Model, c.Model.Describe(c.Before!))).Where(g => g.Count() > 1))
        {
            throw StoreErrors.Twice(twice.Key.Model, twice.Key.Item2);
        }

        return work.Key is { } key ? changes.Add(Call(work, key)) : changes;
    }

    /// <summary>True for a default that the store evaluates as the source does.</summary>
    public static bool IsNow(ColumnSchema column) => column.DefaultIsExpression && column.Default!.StartsWith("CURRENT_TIMESTAMP", StringComparison.OrdinalIgnoreCase);

    /// <summary>Columns whose values only the source can make: rows that have them are not written by the store.</summary>
    public static ImmutableArray<string> GeneratedOf(EntityModel entity) => [.. entity.Attributes.Where(a => a.Column.Generated != GeneratedColumn.No).Select(a => a.Column.Name)];

    private PlannedChange Insert(InsertChange insert, ImmutableArray<StoreChange> earlier)
    {
        var entity = BoundQuery.EntityOf(model, insert.Entity);
        var row = RowBuffer.AllNull(entity.Row.Length);
        var pending = Set(entity, row, insert.Values, earlier, isUpdate: false);
        var given = insert.Values.Keys.Select(name => StoreColumns.Find(entity, name)).ToHashSet();
        var generated = -1;
        // The source takes a zero as being asked for a key: the session has no NO_AUTO_VALUE_ON_ZERO.
        foreach (var attribute in entity.Attributes.Where(a => a.Column.AutoIncrement && !row.IsNull(a.RowIndex) && row[a.RowIndex].IndexOfAnyInRange((byte)'1', (byte)'9') < 0))
        {
            row.SetNull(attribute.RowIndex);
            given.Remove(attribute.RowIndex);
        }

        foreach (var attribute in entity.Attributes.Where(a => !given.Contains(a.RowIndex)))
        {
            if (attribute.Column.AutoIncrement)
            {
                generated = attribute.RowIndex;
            }
            else
            {
                SetDefault(entity, row, attribute);
            }
        }

        return new PlannedChange(entity, null, row, generated, pending);
    }

    /// <exception cref="StoreException"><see cref="StoreError.NotSupported"/>: the definition has no entity for calls, or its key would not keep them apart on both backends.</exception>
    private PlannedChange Call(UnitOfWork work, string key)
    {
        var names = work.Names;
        var entity = model.Entities.FirstOrDefault(e => e.Entity == BillingEntity.Call) ?? throw StoreErrors.NoCallTable(names);
        if (entity.PrimaryKey is not [var only] || entity.Row[only].Column is not { Collation: { } collation } column || column.Name != names.CallKey || !collation.EndsWith("_bin", StringComparison.Ordinal))
        {
            throw StoreErrors.NoCallTable(names);
        }

        var values = ImmutableDictionary<string, object?>.Empty.Add(names.CallKey, key).Add(names.CallMadeAt, time.GetUtcNow().UtcDateTime).Add(names.CallAnswer, "{}");
        var insert = Insert(new InsertChange(BillingEntity.Call, values), work.Changes);
        var madeAt = StoreColumns.Find(entity, names.CallMadeAt);
        insert.After!.Set(madeAt, Now(entity, madeAt));
        return insert with { Answer = new PendingAnswer(StoreColumns.Find(entity, names.CallAnswer), work.Call, work.Answered ?? work.Changes.Length) };
    }

    private PlannedChange Update(UpdateChange update, ImmutableArray<StoreChange> earlier)
    {
        var (entity, read) = Own(update.Read);
        var row = read.Copy();
        var pending = Set(entity, row, update.Values, earlier, isUpdate: true);
        var given = update.Values.Keys.Select(name => StoreColumns.Find(entity, name)).ToHashSet();
        RefuseGenerated(entity);
        if (pending.IsEmpty && !row.Differs(read, entity.Attributes.Select(a => a.RowIndex).ToImmutableArray()))
        {
            return new PlannedChange(entity, read, row, -1, pending);
        }

        Stamp(entity, row, given);
        RefuseMovedParents(entity, read, row);
        return new PlannedChange(entity, read, row, -1, pending);
    }

    /// <summary>What the source changes by itself with each update of a row.</summary>
    /// <exception cref="StoreException"><see cref="StoreError.NotSupported"/>: it would change a generated column.</exception>
    public RowBuffer Updated(EntityModel entity, RowBuffer row)
    {
        RefuseGenerated(entity);
        Stamp(entity, row, []);
        return row;
    }

    private void Stamp(EntityModel entity, RowBuffer row, HashSet<int> given)
    {
        foreach (var attribute in entity.Attributes.Where(a => a.Column.UpdatedAutomatically && !given.Contains(a.RowIndex)))
        {
            row.Set(attribute.RowIndex, Now(entity, attribute.RowIndex));
        }
    }

    private PlannedChange Add(AddChange add)
    {
        var entity = BoundQuery.EntityOf(model, add.Entity);
        var key = BoundQuery.KeyOf(entity, add.Key);
        var column = StoreColumns.Find(entity, add.Column);
        Addition.RequireExact(entity, column);
        if (add.IsExact)
        {
            RequireDecimals(entity, column, add.By);
        }

        if (ReferringTo(entity, column) is { } child)
        {
            throw MovedParent(entity, column, child);
        }

        RefuseGenerated(entity);
        ImmutableArray<(int, byte[])> now = [.. entity.Attributes.Where(a => a.Column.UpdatedAutomatically && a.RowIndex != column).Select(a => (a.RowIndex, Now(entity, a.RowIndex)))];
        return new PlannedChange(entity, null, null, -1, []) { Add = new Addition(key, column, Addition.Text(add.By), now) };
    }

    private PlannedChange Delete(BillingRecord record)
    {
        var (entity, read) = Own(record);
        return new PlannedChange(entity, read, null, -1, []);
    }

    /// <summary>The record's row in the layout of this store: another may have read it.</summary>
    private (EntityModel Model, RowBuffer Row) Own(BillingRecord record)
    {
        var entity = BoundQuery.EntityOf(model, record.Entity);
        if (ReferenceEquals(entity, record.Model))
        {
            return (entity, record.Row);
        }

        var row = RowBuffer.AllNull(entity.Row.Length);
        for (var i = 0; i < entity.Row.Length; i++)
        {
            if (EntityModel.Find(record.Model.Row, entity.Row[i].Lookup, entity.Row[i].Column.Name) is >= 0 and var other)
            {
                row.Take(i, record.Row, other);
            }
        }

        return (entity, row);
    }

    /// <exception cref="StoreException"><see cref="StoreError.ValueInvalid"/>.</exception>
    public static void SetValue(EntityModel entity, RowBuffer row, int index, object? value)
    {
        var column = entity.Row[index].Column;
        if (value is not null)
        {
            row.Set(index, StoreValue.ToText(entity, index, value));
        }
        else if (column.Nullable)
        {
            row.SetNull(index);
        }
        else
        {
            throw new StoreException(StoreError.ValueInvalid, column.Name, $"{entity.Entity}.{column.Name} is NOT NULL, and NULL was passed.");
        }
    }

    /// <exception cref="StoreException"><see cref="StoreError.ValueInvalid"/>: the column would round it.</exception>
    public static void RequireDecimals(EntityModel entity, int index, decimal amount)
    {
        var column = entity.Row[index].Column;
        if (column.Scale < MostDecimals && decimal.Round(amount, column.Scale) != amount)
        {
            throw new StoreException(
                StoreError.ValueInvalid, column.Name,
                $"An amount of {Addition.Text(amount)} has more decimals than the {column.Scale} of {entity.Entity}.{column.Name}. "
                + "Each row would be rounded by itself: round the amount before.");
        }
    }

    /// <summary>Sets a column to the sum of two others of the row.</summary>
    /// <exception cref="StoreException"><see cref="StoreError.ValueInvalid"/>: the column cannot hold the sum.</exception>
    public static void SetSum(EntityModel entity, RowBuffer row, int index, SumOf sum)
    {
        BigInteger Number(int column) => ExactNumber.Parse(Encoding.ASCII.GetString(row[column]), MostScale);
        var (one, other, column) = (StoreColumns.Find(entity, sum.One), StoreColumns.Find(entity, sum.Other), entity.Row[index].Column);
        var exact = Number(one) + Number(other);
        var text = ExactNumber.Text(exact, MostScale).TrimEnd('0').TrimEnd('.');
        row.Set(index, StoreValue.ToText(entity, index, text));
        if (AttributeForms.For(column, null) is AttributeForm.Decimal or AttributeForm.Integer && Number(index) != exact)
        {
            throw new StoreException(
                StoreError.ValueInvalid, column.Name,
                $"The sum {text} of {sum.One} and {sum.Other} has more decimals than {entity.Entity}.{column.Name}, which is {column.ColumnType}. "
                + "Give that column as many as those have.");
        }
    }

    /// <param name="earlier">Changes of the unit before this one.</param>
    private ImmutableArray<(int, ValueOf)> Set(
        EntityModel entity, RowBuffer row, IReadOnlyDictionary<string, object?> values, ImmutableArray<StoreChange> earlier, bool isUpdate)
    {
        var pending = ImmutableArray.CreateBuilder<(int, ValueOf)>();
        foreach (var (name, value) in values)
        {
            var index = StoreColumns.Find(entity, name);
            if (entity.Row[index].Column.Generated != GeneratedColumn.No)
            {
                throw new StoreException(StoreError.NotSupported, name, $"{entity.Entity}.{name} is a generated column: the server makes its value of other columns. Leave it out.");
            }

            if (value is SumOf)
            {
                continue;
            }

            if (value is not ValueOf of)
            {
                SetValue(entity, row, index, value);
                continue;
            }

            if (of.Change < 0 || of.Change >= earlier.Length || earlier[of.Change] is not (InsertChange or UpdateChange))
            {
                throw new StoreException(StoreError.ValueInvalid, name, $"{entity.Entity}.{name} takes a value of change {of.Change}, which is no insert or update before it in the unit.");
            }

            _ = StoreColumns.Find(BoundQuery.EntityOf(model, earlier[of.Change].Entity), of.Column);
            if (isUpdate && ReferringTo(entity, index) is { } child)
            {
                throw MovedParent(entity, index, child);
            }

            pending.Add((index, of));
        }

        foreach (var (name, value) in values)
        {
            if (value is SumOf sum)
            {
                SetSum(entity, row, StoreColumns.Find(entity, name), sum);
            }
        }

        return pending.ToImmutable();
    }

    private void SetDefault(EntityModel entity, RowBuffer row, AttributeModel attribute)
    {
        var column = attribute.Column;
        if (column.Generated != GeneratedColumn.No)
        {
            throw new StoreException(StoreError.NotSupported, column.Name, $"{entity.Entity}.{column.Name} is a generated column, and no row can be written whose value only the source can make. Exclude it in the definition.");
        }

        if (column.DefaultIsExpression)
        {
            row.Set(attribute.RowIndex, IsNow(column) ? Now(entity, attribute.RowIndex) : throw Missing(entity, column, $"its default {column.Default} is an expression that only the source can evaluate"));
        }
        else if (column.Default is { } text)
        {
            row.Set(attribute.RowIndex, StoreValue.ToText(entity, attribute.RowIndex, text));
        }
        else if (!column.Nullable)
        {
            throw Missing(entity, column, "it is NOT NULL and has no default");
        }
    }

    /// <summary>A generated column would keep the value that it had before the change.</summary>
    private static void RefuseGenerated(EntityModel entity)
    {
        if (GeneratedOf(entity) is [var column, ..])
        {
            throw new StoreException(StoreError.NotSupported, column, $"{entity.Entity}.{column} is a generated column: only the source can make the value that it has after a change of its row. Exclude it in the definition.");
        }
    }

    private byte[] Now(EntityModel entity, int index)
    {
        // The server cuts, it does not round.
        var unit = (long)Math.Pow(10, 7 - entity.Row[index].Column.FractionalDigits);
        return StoreValue.ToText(entity, index, new DateTime(time.GetUtcNow().Ticks / unit * unit, DateTimeKind.Utc));
    }

    /// <summary>Children would have to follow: their keys, and what of this row stands in them.</summary>
    private void RefuseMovedParents(EntityModel entity, RowBuffer before, RowBuffer after)
    {
        for (var i = 0; i < entity.Row.Length; i++)
        {
            if (before.Differs(after, i) && ReferringTo(entity, i) is { } child)
            {
                throw MovedParent(entity, i, child);
            }
        }
    }

    /// <summary>An entity whose rows refer to a column; null: none's do.</summary>
    private EntityModel? ReferringTo(EntityModel entity, int column) => entity.Row[column].Lookup is not null ? null : model.Entities.FirstOrDefault(child =>
        child.Table.ForeignKeys.Where(k => k.ReferencedDatabase is null && Same(k.ReferencedTable, entity.Table.Name)).SelectMany(k => k.ReferencedColumns)
            .Concat(child.Definition.Lookups.Values.Where(l => Same(l.Table, entity.Table.Name)).SelectMany(l => child.Row.Where(c => c.Lookup is not null).Select(c => c.Column.Name)))
            .Any(name => Same(name, entity.Row[column].Column.Name)));

    private static StoreException MovedParent(EntityModel entity, int column, EntityModel child) => new(
        StoreError.NotSupported, entity.Row[column].Column.Name,
        $"{entity.Entity}.{entity.Row[column].Column.Name} cannot be changed: rows of {child.Entity} refer to it. Insert a row with the new value, let the {child.Entity} rows refer to it, and delete this one.");

    private static bool Same(string one, string other) => one.Equals(other, StringComparison.OrdinalIgnoreCase);

    private static StoreException Missing(EntityModel entity, ColumnSchema column, string why) =>
        new(StoreError.ValueMissing, column.Name, $"A row of {entity.Entity} needs a value for {column.Name}: {why}.");
}
