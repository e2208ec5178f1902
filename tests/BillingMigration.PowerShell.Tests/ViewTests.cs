using System.Management.Automation;
using BillingMigration.Control;
using BillingMigration.Integrity;
using BillingMigration.PowerShell.Commands;
using BillingMigration.Snapshot;
using BillingMigration.Target;

namespace BillingMigration.PowerShell.Tests;

/// <summary>What a person sees, at 80 columns.</summary>
public sealed class ViewTests : IDisposable
{
    private readonly RecordingHost host = new();
    private readonly ModuleShell shell;

    public ViewTests() => shell = new ModuleShell(host);

    public void Dispose() => shell.Dispose();

    [Fact]
    public void A_session() => Shows(
        ResultObject.Of(Samples.Session()),
        "Name     : sample-billing",
        "Source   : mysql.example.com:3306/billing",
        "Version  : 9.7.4",
        "Endpoint : https://dynamodb.eu-central-1.amazonaws.com/",
        "Entities : CUSTOMER",
        "           BILLING_ACCOUNT");

    [Fact]
    public void A_definition_file() => Shows(
        ResultObject.Of(new DefinitionFile("migration.json", ["Likely: CHARGE belongs to the account in 'invoice_items.account_record_id' (named like the key of 'accounts', no foreign key is declared).", "Open: who pays?"])),
        "Definition migration.json",
        "  Likely: CHARGE belongs to the account in 'invoice_items.account_record_id'",
        "      (named like the key of 'accounts', no foreign key is declared).",
        "  Open: who pays?");

    [Fact]
    public void Times_of_an_account()
    {
        var account = new PSObject();
        account.TypeNames.Insert(0, "BillingMigration.BillingAccount");
        account.Properties.Add(new PSNoteProperty("opened_at", new DateTime(2019, 5, 31, 14, 15, 32)));
        Shows(account, "  opened_at           2019-05-31 14:15:32");
    }

    [Theory]
    [InlineData(SnapshotOutcome.Complete)]
    [InlineData(SnapshotOutcome.Stopped)]
    public void A_snapshot(SnapshotOutcome outcome)
    {
        Shows(
            ResultObject.Of(Samples.Snapshot(outcome), Samples.Session()),
            $"Export of sample-billing to table billing: {outcome}",
            "  Entity              Source table                Items   Set aside     Ranges",
            "  CHARGE              charge                  7,407,402           5      16/16",
            "  This call: 25,925,907 items, 12.8 GB, in 47m 09s: 9,164 items/s",
            "  77,777,721 write units, 1,037,037 requests, 42 of them throttled");
        Assert.Equal(outcome == SnapshotOutcome.Stopped, host.Text.Contains("Run the same command again", StringComparison.Ordinal));
    }

    [Fact]
    public void The_entities_of_a_snapshot() => Shows(
        Samples.Snapshot().Entities,
        "Entity               SourceTable                  Items    SetAside      Ranges",
        "CUSTOMER             customer                 1,234,567           0       16/16");

    [Fact]
    public void A_state() => Shows(
        ResultObject.Of(Samples.State(counted: false), Samples.Session()),
        "Migration sample-billing",
        "  from mysql.example.com:3306/billing (9.7.4)",
        "  snapshot 20260102T030405Z-7f3a: Running, begun 2026-01-02 03:04:05Z",
        "  CHARGE                  1,234,567           0       3/16");

    [Fact]
    public void A_state_with_counted_items() => Shows(
        ResultObject.Of(Samples.State(counted: true), Samples.Session()),
        "  Entity                   Exported   Set aside     Ranges    In the table",
        "  CHARGE                  1,234,567           0       3/16       1,234,567");

    [Fact]
    public void Lines_that_are_too_long_break_between_words()
    {
        var state = Samples.State(counted: false) with
        {
            Route = Route.First with { State = RouteState.DynamoDb, Epoch = 7, Actor = "billing-operations on dc2-billing-runbooks-01", Reason = "the quarter ends", At = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero) },
        };
        Shows(
            ResultObject.Of(state, Samples.Session()),
            "  applications: DynamoDb, since 2026-01-02 03:04:05Z by billing-operations on",
            "      dc2-billing-runbooks-01: the quarter ends",
            "  Run Sync-BillingChanges -Direction Reverse -Follow to keep the source in",
            "      step, so that Switch-BillingBackend -To MySql can go back.");
    }

    [Fact]
    public void A_difference_is_shown_where_it_is()
    {
        var common = string.Join(' ', Enumerable.Repeat("the same words", 20));
        Shows(
            ResultObject.Of(
                new ItemDifference
                {
                    Entity = "CHARGE", Key = "charge_id=5", Kind = DifferenceKind.Different, PartitionKey = "ACCOUNT#1", SortKey = "CHARGE#5", Cause = "One attribute differs: it was changed in the table, or the row was changed without the binlog (sql_log_bin=0).",
                    Attributes = [new("description", common + " a", common + " bc", false), new("amount", "1.5", null, false)],
                },
                Samples.Session()),
            "Different CHARGE charge_id=5",
            "  description       …ame words a                  …ame words bc",
            "  amount            1.5                           (absent)",
            "  One attribute differs: it was changed in the table, or the row was changed",
            "      without the binlog (sql_log_bin=0).");
    }

    [Fact]
    public void A_state_before_any_export() => Shows(
        ResultObject.Of(Samples.State(counted: false) with { Snapshot = null }, Samples.Session()), "  No export has begun: run Export-BillingSnapshot.");

    [Fact]
    public void Initialized_tables() => Shows(
        ResultObject.Of(Initialized(), Samples.Session()),
        "Tables at http://127.0.0.1:8000/",
        "  billing",
        "    done        Table                created with 4 indexes",
        "    unsupported PointInTimeRecovery  the endpoint does not know it",
        "    differs     Encryption           is the key that AWS owns, defined is",
        "                                     alias/billing: change it with UpdateTable");

    [Fact]
    public void Initialization_steps() => Shows(
        Initialized().Steps, "Table                  Setting              Status     Detail");

    [Fact]
    public void An_account()
    {
        var account = new PSObject();
        account.TypeNames.Insert(0, "BillingMigration.BillingAccount");
        foreach (var (name, value) in new (string, object)[]
        {
            ("account_id", 42m), ("iban", "***"), ("note", new string('x', 200)), ("Subscribers", new object[3]), ("ServiceAgreements", Array.Empty<object>()),
            ("Bills", new object[12]), ("Charges", new object[100_000]), ("Migration", Samples.Session()),
        })
        {
            account.Properties.Add(new PSNoteProperty(name, value));
        }

        Shows(account, "  account_id          42", "  iban                ***", "  3 subscribers, 0 service agreements, 12 bills, 100,000 charges");
    }

    [Fact]
    public void The_plan_of_an_export() => Reads(
        PlanText.Of(Samples.Session(), Samples.Plan()),
        "Export 'sample-billing': begins a new run",
        "  CHARGE            charge                123,456,789    57.5 GB   493,827,156",
        "  Total                                   740,740,734     345 GB 2,962,962,936",
        "  Estimated time 1d 2h, bound by assumed rate",
        "  Estimated cost $1,851.85");

    [Fact]
    public void The_plan_of_the_tables() => Reads(
        PlanText.Of(Samples.Session(), Initialized().Steps), "Initialize tables at https://dynamodb.eu-central-1.amazonaws.com/", "    done          Table");

    [Fact]
    public void A_policy() => Shows(
        ResultObject.Of(
            new ViewPolicy
            {
                View = "support", Table = "billing", PolicyDocument = "{\n  \"Version\": \"2012-10-17\"\n}", Grants = ["GRANT SELECT (`id`) ON `b`.`bill` TO 's'@'%';"],
                ShownBesides = ["CUSTOMER.notes (as BILL.notes)"],
            },
            Samples.Session()),
        "View support of table billing",
        "  also shown: CUSTOMER.notes (as BILL.notes)",
        "    GRANT SELECT (`id`) ON `b`.`bill` TO 's'@'%';",
        "      \"Version\": \"2012-10-17\"");

    private static InitializeResult Initialized() => new()
    {
        Table = "billing",
        ControlTable = "billing-migration",
        Endpoint = new Uri("http://127.0.0.1:8000"),
        Steps =
        [
            new("billing", "Table", InitializeStepStatus.Done, "created with 4 indexes"),
            new("billing", "PointInTimeRecovery", InitializeStepStatus.NotSupportedByEndpoint, "the endpoint does not know it"),
            new("billing", "Encryption", InitializeStepStatus.Differs, "is the key that AWS owns, defined is alias/billing: change it with UpdateTable and run this command again"),
            new("billing-migration", "Table", InitializeStepStatus.Unchanged, "is there"),
        ],
    };

    private static void Reads(string text, params string[] lines)
    {
        foreach (var line in lines)
        {
            Assert.Contains(line, text, StringComparison.Ordinal);
        }

        Assert.All(text.Split('\n'), l => Assert.True(l.TrimEnd().Length <= 80, $"{l.Length} columns: {l}"));
    }

    private void Shows(object value, params string[] lines)
    {
        shell.Run("param($value) $value | Out-Default", value);
        Assert.Empty(shell.Errors);
        Reads(host.Text, lines);
        // Elsewhere a failing expression of a view is an empty place, or this mark.
        Assert.DoesNotContain("#ERR", host.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("BillingMigration.Snapshot", host.Text, StringComparison.Ordinal);
    }
}
