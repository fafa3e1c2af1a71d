(* The program: files and what an untrusted reader says is in them, in; a verdict, out. And why it is right. *)
From Coq Require Import Reals Lra Psatz ZArith List Bool.
From Exactcam Require Import Format Claim Printback Translate.
From Exactcam Require Plane Polygon Network Regions Evaluate Checker Sound Batch.
Import ListNotations.
Open Scope Z_scope.

(* ---------- what a certificate lists, with numbers from one up, from the last line to the first *)
Definition name (i : Z) : positive := Z.to_pos (i + 1).
Definition put_names (found : list homogeneous * list (list positive) * list (list (list positive))) (l : line) :=
  let '(vertices, loose, regions) := found in
  match l with
  | Vertex h => (h :: vertices, loose, regions)
  | Piece false ids => (vertices, map name ids :: loose, regions)
  | Piece true ids => (vertices, [], (map name ids :: loose) :: regions)
  end.
Definition named (c : certificate) := fold_left put_names (rev_append (lines c) []) ([], [], []).
Definition natural_ids (c : certificate) : bool :=
  forallb (fun l => match l with Vertex _ => true | Piece _ ids => forallb (Z.leb 0) ids end) (lines c).

Lemma named_ok c : named c = (vertices c, map (map name) (loose c), map (map (map name)) (snd (sorted_out c))).
Proof.
  unfold named, vertices, loose, sorted_out. rewrite rev_append_rev, app_nil_r.
  transitivity (fold_right (fun l found => put_names found l) ([], [], []) (lines c)).
  { rewrite <- (rev_involutive (lines c)) at 2. symmetry. apply (fold_left_rev_right (fun l found => put_names found l)). }
  induction (lines c) as [|l ls IH]; [reflexivity|]. cbn [fold_right].
  rewrite IH. destruct (fold_right put ([], [], []) ls) as [[vs lo] rs]. destruct l as [h|[|] ids]; reflexivity.
Qed.
Lemma natural_ids_ok c : natural_ids c = true ->
  Forall (Forall (Forall (Z.le 0))) (snd (sorted_out c)).
Proof.
  unfold natural_ids, sorted_out. intros H.
  assert (X : Forall (Forall (Z.le 0)) (snd (fst (fold_right put ([], [], []) (lines c)))) /\
     Forall (Forall (Forall (Z.le 0))) (snd (fold_right put ([], [], []) (lines c)))); [|apply X].
  induction (lines c) as [|l ls IH]; [split; constructor|]. cbn [forallb] in H. apply andb_true_iff in H. destruct H as [H1 H2].
  specialize (IH H2). cbn [fold_right]. destruct (fold_right put ([], [], []) ls) as [[vs lo] rs]. cbn [fst snd] in IH. destruct IH as [A B].
  destruct l as [h|[|] ids]; cbn [put fst snd]; [split; assumption| |];
    (assert (N : Forall (Z.le 0) ids) by (apply Forall_forall; intros i I; rewrite forallb_forall in H1; apply Z.leb_le, H1, I));
    repeat constructor; assumption.
Qed.

(* ---------- the slice is injective: two of its rows are independent *)
Definition spans (rows : list (Z * Z * Z)) : bool :=
  match find (fun '(a, b, _) => negb (a =? 0) || negb (b =? 0)) rows with
  | None => false
  | Some (a, b, _) => existsb (fun '(a', b', _) => negb (a * b' - a' * b =? 0)) rows
  end.
Lemma spans_ok rows d p q : spans rows = true -> Network.input rows d p = Network.input rows d q -> p = q.
Proof.
  unfold spans. intros H E. destruct (find _ rows) as [[[a b] c]|] eqn:F; [|discriminate]. apply find_some in F. destruct F as [I _].
  apply existsb_exists in H. destruct H as ([[a' b'] c'] & I' & N). apply negb_true_iff, Z.eqb_neq in N.
  unfold Network.input in E. pose proof (ext_in_map E _ I) as X. pose proof (ext_in_map E _ I') as X'. cbv beta iota in X, X'.
  apply IZR_neq in N. rewrite minus_IZR, !mult_IZR in N. pose proof (Network.pos_IZR d) as D.
  assert (Y : (IZR a * (px p - px q) + IZR b * (py p - py q) = 0)%R).
  { apply Rmult_eq_reg_r with (/ IZR (Z.pos d))%R; [|apply Rinv_neq_0_compat; lra]. unfold Rdiv in X. lra. }
  assert (Y' : (IZR a' * (px p - px q) + IZR b' * (py p - py q) = 0)%R).
  { apply Rmult_eq_reg_r with (/ IZR (Z.pos d))%R; [|apply Rinv_neq_0_compat; lra]. unfold Rdiv in X'. lra. }
  destruct p as [u v], q as [u' v']. cbn [px py] in *. f_equal.
  - apply Rmult_eq_reg_l with (IZR a * IZR b' - IZR a' * IZR b)%R; [|exact N].
    replace ((IZR a * IZR b' - IZR a' * IZR b) * u)%R with ((IZR a * IZR b' - IZR a' * IZR b) * u'
      + (IZR b' * (IZR a * (u - u') + IZR b * (v - v')) - IZR b * (IZR a' * (u - u') + IZR b' * (v - v'))))%R by ring.
    rewrite Y, Y'. ring.
  - apply Rmult_eq_reg_l with (IZR a * IZR b' - IZR a' * IZR b)%R; [|exact N].
    replace ((IZR a * IZR b' - IZR a' * IZR b) * v)%R with ((IZR a * IZR b' - IZR a' * IZR b) * v'
      + (IZR a * (IZR a' * (u - u') + IZR b' * (v - v')) - IZR a' * (IZR a * (u - u') + IZR b * (v - v'))))%R by ring.
    rewrite Y, Y'. ring.
Qed.

(* ---------- the verdict. The hints are vertices around the window, side after side. *)
Fixpoint same_bytes (a b : bytes) : bool :=
  match a, b with [], [] => true | x :: a', y :: b' => (x =? y) && same_bytes a' b' | _, _ => false end.
Fixpoint same_texts (a b : list bytes) : bool :=
  match a, b with [], [] => true | x :: a', y :: b' => same_bytes x y && same_texts a' b' | _, _ => false end.
Definition readable (n : network) (s : slice) (c : certificate) (network_file slice_file certificate_file : file) : bool :=
  let q := question n s in
  well_formed n s && spans (Checker.rows q) && Checker.polyZ (Checker.window q) && is_hash (network_hash c) && is_hash (slice_hash c) && forallb is_text (told c)
  && holds_fast network_file (print_network true n) && holds_fast slice_file (print_slice s)
  && holds_fast certificate_file (print_certificate c).
Definition confirmed (n : network) (s : slice) (c : certificate) (sides : list (list positive)) : bool :=
  let q := question n s in
  let '(vs, lo, rs) := named c in
  same_texts (told c) (notes n) && natural_ids c && (match lo with [] => true | _ => false end)
  && (nth 0 (counts c) 0 =? size rs) && Batch.check_fast 32 q (Checker.A vs rs sides).
Definition judge (n : network) (s : slice) (c : certificate) (sides : list (list positive))
    (network_file slice_file certificate_file : file) : verdict :=
  if readable n s c network_file slice_file certificate_file then if confirmed n s c sides then Verified else Rejected else Malformed.

Lemma same_bytes_ok a : forall b, same_bytes a b = true -> a = b.
Proof.
  induction a as [|x a IH]; intros [|y b] H; try discriminate; [reflexivity|].
  apply andb_true_iff in H. destruct H as [H1 H2]. apply Z.eqb_eq in H1. f_equal; auto.
Qed.
Lemma same_texts_ok a : forall b, same_texts a b = true -> a = b.
Proof.
  induction a as [|x a IH]; intros [|y b] H; try discriminate; [reflexivity|].
  apply andb_true_iff in H. destruct H as [H1 H2]. apply same_bytes_ok in H1. f_equal; auto.
Qed.
Lemma interior_iff (A B : set) : (forall p, A p <-> B p) -> forall p, interior A p <-> interior B p.
Proof. intros H p. split; intros (e & E & I); exists e; (split; [exact E|]); intros q Q; apply H, I, Q. Qed.
Lemma closure_iff (A B : set) : (forall p, A p <-> B p) -> forall p, closure A p <-> closure B p.
Proof. intros H p. split; intros C e E; destruct (C e E) as (q & Q & I); exists q; (split; [exact Q | apply H, I]). Qed.

(* Theorem 18 *)
Theorem judge_sound : sound judge.
Proof.
  intros n s c sides nf sf cf H. unfold judge in H.
  destruct (readable n s c nf sf cf) eqn:R; [|discriminate]. destruct (confirmed n s c sides) eqn:C; [|discriminate]. clear H.
  unfold readable in R. cbv zeta in R. rewrite !andb_true_iff in R. destruct R as ((((((((W & C1) & _) & _) & _) & _) & R1) & R2) & R3).
  apply holds_fast_ok in R1, R2, R3. split; [exact R1|]. split; [exact R2|]. split; [exact R3|].
  unfold confirmed in C. rewrite named_ok in C. cbv zeta in C. rewrite !andb_true_iff in C.
  destruct C as ((((C2 & C3) & C4) & C5) & C6). rewrite Batch.check_fast_is_check in C6.
  set (q := question n s) in *. set (a := Checker.A (vertices c) (map (map (map name)) (snd (sorted_out c))) sides) in *.
  assert (P : Sound.pieces a = regions c).
  { unfold Sound.pieces, regions, a. cbn [Checker.regions]. rewrite map_map. apply map_ext_in. intros U IU.
    pose proof (natural_ids_ok c C3) as N. rewrite Forall_forall in N. specialize (N U IU).
    rewrite map_map. apply map_ext_in. intros l Il. rewrite Forall_forall in N. specialize (N l Il).
    rewrite map_map. apply map_ext_in. intros i Ii. rewrite Forall_forall in N. specialize (N i Ii).
    unfold Sound.corner, corner, name. cbn [Checker.vertices]. change point with Evaluate.hp. do 2 f_equal. lia. }
  assert (WN : Sound.windowR q = corners s) by apply window_ok.
  assert (HV : forall z p, Sound.S_ q z p <-> having n s z p).
  { intros z p. unfold Sound.S_, having. rewrite WN. fold q. unfold q. rewrite (pattern_ok n s p W). tauto. }
  destruct (Sound.check_sound q a C6) as (S1 & S2 & S3 & S4 & zs & Z1 & Z2 & Z3).
  rewrite P, ?WN in *. constructor.
  - exact W.
  - intros p r E. apply (spans_ok _ (Checker.den q) p r C1). unfold q. rewrite !input_ok. exact E.
  - exact S2.
  - exact S1.
  - exact S3.
  - exact S4.
  - exists zs. split; [exact Z1|]. split.
    + intros z. rewrite Z2. split; intros (p & I); exists p; revert I; apply interior_iff; intros r; specialize (HV z r); tauto.
    + clear - Z3 HV. induction Z3 as [|z U zs rs E _ IH]; constructor; [|exact IH]. intros p. unfold Sound.union in E. rewrite E.
      apply closure_iff, interior_iff, HV.
  - destruct (loose c); [reflexivity | discriminate].
  - apply Z.eqb_eq in C5. rewrite C5, size_ok. unfold regions. rewrite !map_length. reflexivity.
  - apply same_texts_ok, C2.
Qed.
