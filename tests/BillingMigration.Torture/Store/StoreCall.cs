using System.Collections.Immutable;
using BillingMigration.Model;
using BillingMigration.Store;
using BillingMigration.Store.DynamoDb;

namespace BillingMigration.Torture;

/// <summary>What a caller was told.</summary>
internal enum Told
{
    Nothing,
    Done,
    Refused,
    Unknown,
    Trouble,
    Cancelled,
}

/// <summary>One call of an application, with what it was told and what became of it on the table.</summary>
internal abstract class StoreCall(int number)
{
    private bool isExplained;

    public int Number => number;

    public Told Told { get; private set; }

    public StoreException? Refusal { get; private set; }

    public string Why { get; private set; } = "";

    /// <summary>Commits that decided something for it: one, at most. The parts of a large unit are one.</summary>
    public int Effects { get; set; }

    public string? Intent { get; set; }

    /// <summary>It has a key, and is one of several attempts; null: it has none.</summary>
    public RepeatedCall? Once { get; set; }

    /// <summary>The row of its key is written.</summary>
    public bool IsKept { get; set; }

    /// <summary>Another attempt with its key was done before it began.</summary>
    private bool wasMade;

    public bool IsOver => Told != Told.Nothing;

    public abstract Task RunAsync(IBillingStore store, StoreMirror mirror, CancellationToken cancellationToken);

    /// <summary>Holds a commit against what the call asks for.</summary>
    /// <param name="before">The rows right before it.</param>
    /// <returns>What is wrong with it.</returns>
    public abstract IEnumerable<string> Check(StoreMirror before, IReadOnlyList<RowDelta> deltas);

    /// <summary>Whether a relational database would refuse the call with this error, with these rows; also whether it would answer that there is nothing to do.</summary>
    protected abstract bool Explains(StoreMirror mirror, StoreError? error, string subject);

    /// <summary>Errors that the call could be told, in the order in which they are looked for at each moment of it.</summary>
    private readonly HashSet<(StoreError? Error, string Subject)> explained = [];

    /// <summary>Looked at when the call begins and after each commit while it is under way.</summary>
    public void Watch(StoreMirror mirror)
    {
        foreach (var (error, subject) in Candidates.Where(c => !explained.Contains(c)))
        {
            if (Explains(mirror, error, subject))
            {
                explained.Add((error, subject));
            }
        }
    }

    /// <summary>Refusals that the rows have explained while the call was under way.</summary>
    public IEnumerable<(StoreError Error, string Subject)> Refusals =>
        explained.Where(e => e.Error is not (null or StoreError.Conflict)).Select(e => (e.Error!.Value, e.Subject));

    /// <summary>Refusals that the call may be told.</summary>
    protected abstract IEnumerable<(StoreError? Error, string Subject)> Candidates { get; }

    public async Task MakeAsync(IBillingStore store, StoreMirror mirror, CancellationToken cancellationToken)
    {
        wasMade = Once is { Effects: > 0 };
        Watch(mirror);
        try
        {
            await RunAsync(store, mirror, cancellationToken);
            Told = Told.Done;
        }
        catch (StoreException e)
        {
            (Told, Refusal, Why) = (Told.Refused, e, $"{e.Error} {e.Subject}");
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            Told = Told.Cancelled;
        }
        catch (MigrationException e)
        {
            (Told, Why) = (e.ErrorId == "WriteOutcomeUnknown" ? Told.Unknown : Told.Trouble, e.ErrorId == "TargetRefused" ? $"{e.Message} {e.InnerException?.StackTrace?.Split('\n').FirstOrDefault(l => l.Contains("BillingMigration.Store", StringComparison.Ordinal) && !l.Contains("StoreCalls", StringComparison.Ordinal))?.Trim()}" : e.ErrorId);
        }
        catch (Exception e)
        {
            (Told, Why) = (Told.Trouble, $"{e.GetType().Name}: {e.Message} {e.StackTrace?.Split('\n').FirstOrDefault(l => l.Contains("BillingMigration.Store", StringComparison.Ordinal))?.Trim()}");
            IsBare = true;
        }

        Watch(mirror);
        isExplained = Once is { Effects: > 0 } && Effects == 0 ? ExplainsRepeated
            : Told == Told.Done ? !DidNothing || explained.Contains((null, "")) || explained.Any(x => x.Error is null)
            : Told != Told.Refused || IsContended || IsTold;
    }

    /// <summary>An exception that is none of the contract's.</summary>
    public bool IsBare { get; private set; }

    /// <summary>Others were in the way all the time.</summary>
    public bool IsContended => Refusal is { Error: StoreError.Conflict, Subject: "billing" };

    /// <summary>The answer was that there is nothing to do.</summary>
    public bool DidNothing { get; protected set; }

    /// <summary>Done, and yet nothing is written, where that is right.</summary>
    public virtual bool MayBeWithoutEffect => DidNothing;

    /// <summary>
    /// Another attempt has done it: the answer is its rows, or that they are gone or not there yet. One that had begun before may be told what explains itself.
    /// </summary>
    private bool ExplainsRepeated => Told != Told.Refused || Refusal!.Error == StoreError.Conflict || (!wasMade && IsTold);

    private bool IsTold => explained.Contains((Refusal!.Error, Refusal.Subject)) || explained.Contains((Refusal.Error, "*"));

    /// <summary>It has made a row that a repeated call must be answered with.</summary>
    public virtual bool HasMade => false;

    /// <summary>It takes nothing away that another has left, so that what it has done is to be seen in the end.</summary>
    public virtual bool IsTraceable => false;

    /// <summary>How many rows it has left; null: what it has done is in sums.</summary>
    public virtual int? Traces(StoreMirror after) => null;

    /// <summary>Holds what was done against what was told.</summary>
    public IEnumerable<string> CheckEffects()
    {
        var most = Told is Told.Done or Told.Unknown or Told.Nothing ? 1 : 0;
        var least = Told == Told.Done && !MayBeWithoutEffect && Once is null ? 1 : 0;
        if (Effects > most || Effects < least)
        {
            yield return $"was told {Told} {Why} and was done {Effects} times";
        }
    }

    /// <summary>When all is quiet.</summary>
    public virtual IEnumerable<string> CheckEnd()
    {
        foreach (var wrong in CheckEffects())
        {
            yield return wrong;
        }

        if (IsOver && !isExplained)
        {
            yield return $"was told {Told} {Why}{(DidNothing ? " (nothing to do)" : "")}, which no moment of it explains";
        }

        if (IsBare)
        {
            yield return $"ended with {Why}";
        }
    }

    /// <summary>Charges with the text of this call.</summary>
    protected static int ChargesWith(StoreMirror mirror, IReadOnlyDictionary<string, object?> charge) =>
        mirror.Of(BillingEntity.Charge).Count(r => new BillingRecord(mirror.Model[BillingEntity.Charge], r).Text("description") == (string)charge["description"]!);

    protected static string Shown(RowDelta delta) => $"{delta.Model.Entity} {delta.Model.Describe((delta.After ?? delta.Before)!)}{(delta.Before is null ? " inserted" : delta.After is null ? " deleted" : " changed")}";

    /// <summary>Columns of a row that differ, by name.</summary>
    protected static IEnumerable<string> Changed(RowDelta delta) => delta.Model.Attributes.Where(a => delta.Before!.Differs(delta.After!, a.RowIndex)).Select(a => a.Column.Name);

    /// <summary>The row as it is in the record's columns.</summary>
    internal static bool IsRecord(EntityModel model, RowBuffer row, BillingRecord record) =>
        record.Columns.All(c => new BillingRecord(model, row).Text(c) == record.Text(c));

    protected static bool Has(EntityModel model, RowBuffer row, IEnumerable<KeyValuePair<string, object?>> values) => values.All(v =>
    {
        var index = EntityModel.Find(model.Row, null, v.Key);
        return v.Value is ValueOf || (v.Value is null ? row.IsNull(index) : row[index].SequenceEqual(StoreValue.ToText(model, index, v.Value)));
    });

    /// <summary>All that goes or is released with a row, by the foreign keys.</summary>
    protected static Dictionary<string, bool> Closure(StoreMirror mirror, EntityModel entity, RowBuffer row)
    {
        var closure = new Dictionary<string, bool> { [$"{entity.Entity} {entity.Describe(row)}"] = true };
        var open = new Queue<(EntityModel, RowBuffer)>([(entity, row)]);
        while (open.TryDequeue(out var next))
        {
            foreach (var reference in Reference.To(mirror.Model, next.Item1))
            {
                foreach (var child in mirror.ChildrenOf(reference, next.Item2).ToArray())
                {
                    var name = $"{reference.Child.Entity} {reference.Child.Describe(child)}";
                    if (reference.Cascades && (!closure.TryGetValue(name, out var goes) || !goes))
                    {
                        closure[name] = true;
                        open.Enqueue((reference.Child, child));
                    }
                    else if (!reference.Cascades && !reference.Forbids)
                    {
                        closure.TryAdd(name, false);
                    }
                }
            }
        }

        return closure;
    }

    protected static bool LacksParent(StoreMirror mirror, EntityModel entity, IReadOnlyDictionary<string, object?> values, string reference)
    {
        var of = Reference.Of(mirror.Model, entity).FirstOrDefault(r => r.Name == reference);
        if (of is null)
        {
            return false;
        }

        var row = RowOf(entity, values);
        return of.IsSet(row) && !mirror.HasParent(of, row);
    }

    internal static RowBuffer RowOf(EntityModel entity, IReadOnlyDictionary<string, object?> values)
    {
        var row = RowBuffer.AllNull(entity.Row.Length);
        foreach (var (name, value) in values.Where(v => v.Value is not null))
        {
            var index = EntityModel.Find(entity.Row, null, name);
            row.Set(index, StoreValue.ToText(entity, index, value!));
        }

        return row;
    }

    protected static IEnumerable<(StoreError? Error, string Subject)> KeysOf(EntityModel entity) =>
    [
        (StoreError.DuplicateKey, UniqueValue.PrimaryKey),
        .. entity.Table.UniqueKeys.Select(k => ((StoreError?)StoreError.DuplicateKey, k.Name)),
        .. entity.Table.ForeignKeys.Select(k => ((StoreError?)StoreError.ParentMissing, k.Name)),
    ];

    protected static bool ExplainsKeys(StoreMirror mirror, EntityModel entity, RowBuffer row, StoreError? error, string subject) => error switch
    {
        StoreError.DuplicateKey => UniqueValue.Of(entity, row).Any(v => v.Constraint == subject && mirror.Has(v)),
        StoreError.ParentMissing => Reference.Of(mirror.Model, entity).Any(r => r.Name == subject && r.IsSet(row) && !mirror.HasParent(r, row)),
        _ => false,
    };
}
