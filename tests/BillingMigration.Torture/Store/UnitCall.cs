using System.Collections.Immutable;
using System.Globalization;
using BillingMigration.Model;
using BillingMigration.Store;

namespace BillingMigration.Torture;

/// <summary>Several changes in one unit, which may be in each other's way: what becomes of it is what MySQL makes of the same statements.</summary>
internal sealed class UnitCall(int number, StoreMirror mirror, ImmutableArray<UnitStep> steps) : StoreCall(number)
{
    /// <summary>Fewer changes than that, with all that belongs to them, one transaction always takes.</summary>
    private const int Few = 25;

    private const int Large = 50_000;

    private BillingRecord?[]? read;
    private RowBuffer?[]? written;
    private string? wrongAnswer;

    public override string ToString() => $"{Number} unit: {string.Join("; ", steps)}";

    public override async Task RunAsync(IBillingStore store, StoreMirror mirror, CancellationToken cancellationToken)
    {
        var rows = new BillingRecord?[steps.Length];
        for (var i = 0; i < steps.Length; i++)
        {
            var (kind, model) = (steps[i].Kind, steps[i].Model);
            if (kind is StepKind.Update or StepKind.Delete && (rows[i] = await store.GetAsync(model.Entity, KeyOf(model), steps[i].Id, cancellationToken)) is null)
            {
                DidNothing = true;
                return;
            }
        }

        read = rows;
        Watch(mirror);
        var work = new UnitOfWork();
        for (var i = 0; i < steps.Length; i++)
        {
            var step = steps[i];
            work = step.Kind switch
            {
                StepKind.Insert => work.Insert(step.Model.Entity, step.Values),
                StepKind.Update => work.Update(rows[i]!, step.Values),
                StepKind.Delete => work.Delete(rows[i]!),
                _ => work.Add(step.Model.Entity, ImmutableDictionary<string, object>.Empty.Add(KeyOf(step.Model), step.Id), step.Values.Keys.First(), (decimal)step.Values.Values.First()!),
            };
        }

        var answer = await store.WriteAsync(Once is null ? work : work.Once(Once.Key), cancellationToken);
        // One with a key is answered with the rows as they are by then.
        for (var i = 0; i < steps.Length && Once is null && written is not null && !answer.IsDefaultOrEmpty; i++)
        {
            if (steps[i].Kind != StepKind.Add && (answer[i] is { } record ? written[i] is null || !IsRecord(steps[i].Model, written[i]!, record) : written[i] is not null))
            {
                wrongAnswer ??= $"was answered with {answer[i]?.ToString() ?? "no row"} for {steps[i]}, which is {(written[i] is null ? "gone" : "another")}";
            }
        }
    }

    public override IEnumerable<string> CheckEnd() => wrongAnswer is null ? base.CheckEnd() : base.CheckEnd().Append(wrongAnswer);

    /// <summary>The rows of the steps as the unit has left them.</summary>
    private static RowBuffer? WrittenBy(UnitStep step, StoreMirror before, IReadOnlyList<RowDelta> deltas) => step.Kind switch
    {
        StepKind.Insert => deltas.FirstOrDefault(d => d.Model == step.Model && d.Before is null)?.After,
        _ => deltas.FirstOrDefault(d => d.Model == step.Model && d.Before is { } row && IsOf(step, row)) is { } delta ? delta.After : before.Find(step.Model.Entity, step.Id),
    };

    private static bool IsOf(UnitStep step, RowBuffer row) =>
        new BillingRecord(step.Model, row).Get<long>(KeyOf(step.Model)) == step.Id;

    public override IEnumerable<string> Check(StoreMirror before, IReadOnlyList<RowDelta> deltas)
    {
        var made = UnitReference.Run(before, steps, read!, i => deltas.Where(d => d.Model == steps[i].Model && d.Before is null && IsMade(steps[i], d.After!))
            .Select(d => long.Parse(System.Text.Encoding.ASCII.GetString(d.After![d.Model.PrimaryKey[0]]), CultureInfo.InvariantCulture)).FirstOrDefault(int.MaxValue + (long)i));
        foreach (var (error, subject) in made.Errors)
        {
            yield return $"was done, where {error} {subject} had to refuse it";
        }

        written = [.. steps.Select(s => WrittenBy(s, before, deltas))];
        var expected = made.Errors.Count > 0 ? [] : made.Changed.ToDictionary(c => c.Name);
        foreach (var delta in made.Errors.Count > 0 ? [] : deltas)
        {
            if (!expected.Remove((delta.Model, delta.Model.Describe((delta.After ?? delta.Before)!)), out var change) || (change.After is null) != (delta.After is null))
            {
                yield return $"did what it does not ask for: {Shown(delta)}";
            }
            else if (change.After is { } row && delta.Model.Attributes.Where(a => a.Column.Name != "updated_at" && !(delta.Before is null && row.IsNull(a.RowIndex)) && row.Differs(delta.After!, a.RowIndex)).Select(a => a.Column.Name).FirstOrDefault() is { } column)
            {
                yield return $"has written another {column}: {Shown(delta)}";
            }
        }

        foreach (var (name, was, after) in expected.Values)
        {
            yield return $"left {name.Model.Entity} {name.Key} {(was is null ? "to be inserted" : after is null ? "to be deleted" : "to be changed")}";
        }
    }

    public override bool MayBeWithoutEffect => DidNothing || steps.All(s => s.Kind is StepKind.Update or StepKind.Add);

    protected override IEnumerable<(StoreError? Error, string Subject)> Candidates
    {
        get
        {
            if (steps.Any(s => s.Kind is StepKind.Update or StepKind.Delete && (mirror.Find(s.Model.Entity, s.Id) is not { } row || !mirror.IsSettled(s.Model, row))))
            {
                yield return (null, "");
            }

            if (read is null)
            {
                yield break;
            }

            var made = UnitReference.Run(mirror, steps, read, i => int.MaxValue + (long)i);
            foreach (var (error, subject) in made.Errors)
            {
                yield return (error, subject);
            }

            if (steps.Any(s => s.Kind == StepKind.Delete || (s.Model.Entity == BillingEntity.Bill && s.Values.ContainsKey("account_id"))) && made.Changed.Count() + Children > (made.Changed.Any(c => (c.After ?? c.Before)!.Used > Large) ? 5 : Few))
            {
                yield return (StoreError.TooManyRows, "*");
            }
        }
    }

    /// <summary>Of bills that get another partition.</summary>
    private int Children => steps.Where(s => s is { Kind: StepKind.Update, Model.Entity: BillingEntity.Bill })
        .Sum(s => mirror.Find(s.Model.Entity, s.Id) is { } row ? Store.DynamoDb.Reference.To(mirror.Model, s.Model).Sum(r => mirror.ChildrenOf(r, row).Count()) : 0);

    protected override bool Explains(StoreMirror mirror, StoreError? error, string subject) => true;

    /// <summary>The row that a step has inserted, of which a later one may have taken references.</summary>
    private static bool IsMade(UnitStep step, RowBuffer row) =>
        Has(step.Model, row, step.Values.Where(v => !step.Model.Row[EntityModel.Find(step.Model.Row, null, v.Key)].Column.Nullable || !row.IsNull(EntityModel.Find(step.Model.Row, null, v.Key))));

    private static string KeyOf(EntityModel model) => model.Row[model.PrimaryKey[0]].Column.Name;
}

/// <summary>Makes units of changes that belong to one account and its customer, some of which refer to each other.</summary>
internal sealed class UnitPlan(StoreMirror mirror, Random random)
{
    /// <param name="account">Whose rows are changed, for the most part.</param>
    /// <param name="some">An id of an entity, of a row that need not be there.</param>
    /// <param name="number">A value of a unique key that may be taken already.</param>
    /// <param name="bill">Values of a bill of an account.</param>
    public ImmutableArray<UnitStep> Next(
        long account, Func<string, long> some, Func<string, string> number, Func<long, ImmutableDictionary<string, object?>> bill)
    {
        var steps = ImmutableArray.CreateBuilder<UnitStep>();
        for (var count = random.Next(2, 5); count > 0 || steps.Count < 2; count--)
        {
            var step = random.Next(15) switch
            {
                0 or 1 => Insert(BillingEntity.Charge, StoreCallPlan.Charge(0, random.Next(1, 10_000) / 100m, $"unit {number("")}")
                    .SetItem("account_id", Key(BillingEntity.Account, account)).SetItem("bill_id", random.Next(2) == 0 ? null : Key(BillingEntity.Bill, Own(BillingEntity.Bill, account, some)))),
                2 => Insert(BillingEntity.Subscriber, StoreCallPlan.Subscriber(0, number("+")).SetItem("account_id", Key(BillingEntity.Account, account))),
                3 => Insert(BillingEntity.Account, StoreCallPlan.Account(0, number("A")).SetItem("customer_id", Key(BillingEntity.Customer, some(BillingEntity.Customer)))),
                4 => Insert(BillingEntity.Agreement, StoreCallPlan.Values(
                    ("subscriber_id", Key(BillingEntity.Subscriber, Own(BillingEntity.Subscriber, account, some))), ("account_id", account), ("product_code", "FLAT"), ("monthly_fee", 1m), ("start_date", new DateOnly(2026, 1, 1)))),
                5 or 6 => Update(BillingEntity.Charge, Own(BillingEntity.Charge, account, some), StoreCallPlan.Values(random.Next(3) switch
                {
                    0 => ("account_id", Key(BillingEntity.Account, some(BillingEntity.Account))),
                    1 => ("bill_id", random.Next(3) == 0 ? null : Key(BillingEntity.Bill, Own(BillingEntity.Bill, account, some))),
                    _ => ("description", $"unit {number("")}"),
                })),
                7 => Update(BillingEntity.Account, account, StoreCallPlan.Values(random.Next(2) == 0 ? ("customer_id", Key(BillingEntity.Customer, some(BillingEntity.Customer))) : ("account_number", number("A")))),
                8 => new UnitStep(StepKind.Add, mirror.Model[BillingEntity.Account], account, StoreCallPlan.Values(("balance", 1m))),
                13 => Update(BillingEntity.Bill, Own(BillingEntity.Bill, account, some), StoreCallPlan.Values(random.Next(2) == 0 ? ("bill_date", new DateOnly(2026, 2, random.Next(1, 28))) : ("account_id", Key(BillingEntity.Account, some(BillingEntity.Account))))),
                14 => new UnitStep(StepKind.Insert, mirror.Model[BillingEntity.Bill], 0, bill(account)),
                9 => Delete(BillingEntity.Bill, Own(BillingEntity.Bill, account, some)),
                10 => Delete(BillingEntity.Charge, Own(BillingEntity.Charge, account, some)),
                11 => random.Next(2) == 0 ? Delete(BillingEntity.Subscriber, Own(BillingEntity.Subscriber, account, some)) : Delete(BillingEntity.Customer, some(BillingEntity.Customer)),
                _ => random.Next(3) == 0 ? Delete(BillingEntity.Account, account) : Insert(BillingEntity.Customer, StoreCallPlan.Values(("customer_number", number("C")), ("address", "{}"))),
            };

            // A unit changes a row once; and inserts one of a kind, so that what it has written is known again.
            if (!steps.Any(s => s.Model == step.Model && (step.Kind == StepKind.Insert ? s.Kind == StepKind.Insert : s.Kind != StepKind.Insert && s.Id == step.Id)))
            {
                steps.Add(step);
            }
        }

        return steps.ToImmutable();

        object Key(string entity, long id)
        {
            var inserted = steps.ToList().FindIndex(s => s.Kind == StepKind.Insert && s.Model.Entity == entity);
            return inserted >= 0 && random.Next(3) > 0 ? new ValueOf(inserted, steps[inserted].Model.Row[steps[inserted].Model.PrimaryKey[0]].Column.Name) : id;
        }
    }

    private UnitStep Insert(string entity, ImmutableDictionary<string, object?> values) => new(StepKind.Insert, mirror.Model[entity], 0, values);

    private UnitStep Update(string entity, long id, ImmutableDictionary<string, object?> values) => new(StepKind.Update, mirror.Model[entity], id, values);

    private UnitStep Delete(string entity, long id) => new(StepKind.Delete, mirror.Model[entity], id, StoreCallPlan.Values());

    /// <summary>One of the account's own, if it has any.</summary>
    private long Own(string entity, long account, Func<string, long> some)
    {
        var model = mirror.Model[entity];
        var own = mirror.Of(entity).Select(r => new BillingRecord(model, r)).Where(r => r.Get<long>("account_id") == account).Select(r => r.Get<long>(model.Row[model.PrimaryKey[0]].Column.Name)).Order().ToArray();
        return own.Length > 0 && random.Next(4) > 0 ? own[random.Next(own.Length)] : some(entity);
    }
}
