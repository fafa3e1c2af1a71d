(* The program: files and what an untrusted reader says is in them, in; a verdict, out. And why it is right. *)
From Coq Require Import Reals Lra Psatz ZArith List Bool.
From Exactcam Require Import Format Claim Printback Translate.
From Exactcam Require Lists Plane Polygon Network Regions Evaluate Checker Sound Maps Edges Linear Boundary Whole.
From Coq Require Import Relations.
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
Record hints := Hints { around_window : list (list positive); linear_labels : list (list Z) -> list (positive * positive) }.
Definition named_tie (t : list Z * list Z) : list positive * list Z := (map name (fst t), snd t).
Definition named_ties (c : certificate) : list (list positive * list Z) := rev_append (Lists.rev_map named_tie (ties c) []) [].
Lemma named_ties_ok c : named_ties c = map named_tie (ties c).
Proof. unfold named_ties. rewrite Lists.rev_map_ok, rev_append_rev, !app_nil_r. apply rev_involutive. Qed.
Definition counted (k : nat) (c : certificate) : Z :=
  Z.of_nat (Linear.tally (fun t => Nat.eqb (dimension (fst t)) k) (ties c) 0).
Fixpoint same_numbers (a b : list Z) : bool := match a, b with [], [] => true | x :: a', y :: b' => (x =? y) && same_numbers a' b' | _, _ => false end.
Definition confirmed (n : network) (s : slice) (c : certificate) (h : hints) : bool :=
  let '(vs, lo, rs) := named c in
  same_texts (told c) (notes n) && natural_ids c && forallb (fun t => forallb (Z.leb 0) (fst t)) (ties c)
  && (match lo with [] => true | _ => false end)
  && match Whole.check_all 12 (place n) (question n s) (Checker.A vs rs (around_window h)) (linear_labels h) (named_ties c) with
     | None => false
     | Some (linear, affine) =>
         same_numbers (counts c) [size rs; Z.of_nat linear; Z.of_nat affine; counted 2 c; counted 3 c; counted 1 c]
     end.
Definition judge (n : network) (s : slice) (c : certificate) (h : hints)
    (network_file slice_file certificate_file : file) : verdict :=
  if readable n s c network_file slice_file certificate_file then if confirmed n s c h then Verified else Rejected else Malformed.

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

Lemma same_numbers_ok a : forall b, same_numbers a b = true -> a = b.
Proof.
  induction a as [|x a IH]; intros [|y b] H; try discriminate; [reflexivity|].
  apply andb_true_iff in H. destruct H as [H1 H2]. apply Z.eqb_eq in H1. f_equal; auto.
Qed.
Lemma rst_iff {A} (r r' : relation A) : (forall x y, r x y <-> r' x y) -> forall x y, clos_refl_sym_trans A r x y <-> clos_refl_sym_trans A r' x y.
Proof.
  intros H x y. split; induction 1; try (apply rst_step, H; assumption); try apply rst_refl; try (apply rst_sym; assumption); eapply rst_trans; eassumption.
Qed.
Lemma name_inj i j : 0 <= i -> 0 <= j -> name i = name j -> i = j.
Proof. unfold name. intros A B E. apply (f_equal Zpos) in E. rewrite !Z2Pos.id in E by lia. lia. Qed.
Lemma names_inj l : forall m, forallb (Z.leb 0) l = true -> forallb (Z.leb 0) m = true -> map name l = map name m -> l = m.
Proof.
  induction l as [|i l IH]; intros [|j m] A B E; try discriminate; [reflexivity|]. cbn [forallb] in A, B. apply andb_true_iff in A, B.
  destruct A as [A1 A2], B as [B1 B2]. apply Z.leb_le in A1, B1. injection E as E1 E2. f_equal; [apply name_inj | apply IH]; assumption.
Qed.

(* ---------- the same words, of the checker's question and of the files *)
Section words.
Variables (n : network) (s : slice).
Notation q := (question n s).
Notation out := (place n).
Hypothesis W : well_formed n s = true.
Lemma having_ok z p : Sound.S_ q z p <-> having n s z p.
Proof. unfold Sound.S_, having, Sound.windowR. rewrite window_ok, (pattern_ok n s p W). tauto. Qed.
Lemma active_ok z : Maps.has_interior q z <-> active n s z.
Proof. split; intros (p & I); exists p; revert I; apply interior_iff; intros r; pose proof (having_ok z r); tauto. Qed.
Lemma region_ok z p : Maps.region q z p <-> region n s z p.
Proof. apply closure_iff, interior_iff, having_ok. Qed.
Lemma output_is p : Outputs.output out q p = outputs n s p.
Proof. apply (outputs_ok n s p W). Qed.
Lemma map_ok z fs : Maps.is_map q out z fs <-> is_map n s z fs.
Proof. split; intros H p I; [rewrite <- output_is | rewrite output_is]; apply H, region_ok, I. Qed.
Lemma linked_ok z y : Linear.linked q out z y <-> linked n s z y.
Proof.
  assert (Sh : Linear.share q z y <-> adjacent n s z y).
  { split; intros (a & b & N & H); exists a, b; (split; [exact N|]); intros t T0; destruct (H t T0) as [A B]; split; apply region_ok; assumption. }
  unfold Linear.linked, linked. rewrite !active_ok, Sh. split; intros (A & B & C & fs & D & E); repeat (split; [assumption|]); exists fs; split; apply map_ok; assumption.
Qed.
Lemma connected_ok z y : Linear.connected q out z y <-> connected n s z y.
Proof. apply rst_iff, linked_ok. Qed.
Lemma wins_ok p k : Boundary.wins out q p k <-> wins n s p k.
Proof. unfold Boundary.wins, Boundary.contest, wins. rewrite output_is. reflexivity. Qed.
Lemma tie_ok p : Boundary.tie out q p <-> tie n s p.
Proof. split; intros (j & k & N & A & B); exists j, k; (split; [exact N|]); split; apply wins_ok; assumption. Qed.
End words.

(* every claim about what is drawn *)
Section drawn.
Variables (c : certificate) (rs : list (list (list positive))) (sd : list (list positive)).
Notation a := (Checker.A (vertices c) rs sd).
Lemma corner_ok i : 0 <= i -> Sound.corner a (name i) = corner c i.
Proof. intros P0. unfold Sound.corner, corner, name. cbn [Checker.vertices]. change point with Evaluate.hp. do 2 f_equal. lia. Qed.
Lemma corners_ok l : forallb (Z.leb 0) l = true -> map (Sound.corner a) (map name l) = map (corner c) l.
Proof. intros H. rewrite map_map. apply map_ext_in. intros i I. rewrite forallb_forall in H. apply corner_ok, Z.leb_le, H, I. Qed.
Lemma face_ok l p : forallb (Z.leb 0) l = true -> (Boundary.face a (map name l) p <-> face c l p) /\ (Boundary.within a (map name l) p <-> within c l p).
Proof.
  intros H. unfold face, within. rewrite <- (corners_ok l H). destruct l as [|i [|j [|k l]]]; split; reflexivity.
Qed.
End drawn.

(* Theorem 18 *)
Theorem judge_sound : sound judge.
Proof.
  intros n s c h nf sf cf H. unfold judge in H.
  destruct (readable n s c nf sf cf) eqn:R; [|discriminate]. destruct (confirmed n s c h) eqn:C; [|discriminate]. clear H.
  unfold readable in R. cbv zeta in R. rewrite !andb_true_iff in R. destruct R as ((((((((W & C1) & _) & _) & _) & _) & R1) & R2) & R3).
  apply holds_fast_ok in R1, R2, R3. split; [exact R1|]. split; [exact R2|]. split; [exact R3|].
  unfold confirmed in C. rewrite named_ok in C. rewrite !andb_true_iff in C. destruct C as ((((C2 & C3) & Ct) & C4) & C5).
  destruct (Whole.check_all _ _ _ _ _ _) as [[linear affine]|] eqn:C6; [|discriminate]. apply same_numbers_ok in C5.
  set (q := question n s) in *. set (a := Checker.A (vertices c) (map (map (map name)) (snd (sorted_out c))) (around_window h)) in *.
  pose proof (Whole.core _ _ _ _ _ _ _ _ C6) as Core.
  pose proof (natural_ids_ok c C3) as N.
  assert (P : Sound.pieces a = regions c).
  { unfold Sound.pieces, regions. cbn [a Checker.regions]. rewrite map_map. apply map_ext_in. intros U IU.
    rewrite Forall_forall in N. specialize (N U IU).
    rewrite map_map. apply map_ext_in. intros l Il. rewrite Forall_forall in N. specialize (N l Il).
    apply corners_ok. apply forallb_forall. intros i Ii. rewrite Forall_forall in N. apply Z.leb_le, N, Ii. }
  assert (WN : Sound.windowR q = corners s) by apply window_ok.
  destruct (Sound.check_sound q a Core) as (S1 & S2 & S3 & S4 & zs & Z1 & Z2 & Z3).
  rewrite P, ?WN in *. rewrite forallb_forall in Ct.
  destruct (Whole.decision_boundary _ _ _ _ _ _ _ _ C6) as (B1 & B2 & B3 & B4 & B5).
  assert (Tie : forall t, In t (ties c) -> In (named_tie t) (named_ties c)) by (intros t I; rewrite named_ties_ok; apply in_map, I).
  assert (Diff : forall t t', In t (ties c) -> In t' (ties c) -> fst t <> fst t' -> map name (fst t) <> map name (fst t')).
  { intros t t' I I' D E. apply D, names_inj; auto. }
  assert (Face : forall t p, In t (ties c) -> (Boundary.face a (map name (fst t)) p <-> face c (fst t) p) /\ (Boundary.within a (map name (fst t)) p <-> within c (fst t) p)).
  { intros t p I. apply face_ok, Ct, I. }
  constructor.
  - exact W.
  - intros p r E. apply (spans_ok _ (Checker.den q) p r C1). unfold q. rewrite !input_ok. exact E.
  - exact S2.
  - exact S1.
  - exact S3.
  - exact S4.
  - exists zs. split; [exact Z1|]. split; [intros z; rewrite Z2; apply (active_ok n s W)|].
    clear - Z3 W. induction Z3 as [|z U zs rs E _ IH]; constructor; [|exact IH]. intros p. unfold Sound.union in E. rewrite E. apply (region_ok n s W).
  - destruct (loose c); [reflexivity | discriminate].
  - apply (Whole.points_differ _ _ _ _ _ _ _ _ C6).
  - intros i j k l p K L D I J. rewrite <- P in K, L. unfold Sound.pieces in K, L. rewrite <- (concat_map (map (Sound.corner a))), nth_error_map in K, L.
    destruct (nth_error (concat (Checker.regions a)) i) as [k'|] eqn:K'; [|discriminate]. destruct (nth_error (concat (Checker.regions a)) j) as [l'|] eqn:L'; [|discriminate].
    injection K as <-. injection L as <-. destruct (proj2 (Edges.edge_to_edge q a Core) i j k' l' p K' L' D I J) as [E|(u & v & E1 & E2 & t & T0 & E)]; [left; exact E | right].
    exists (Sound.corner a u), (Sound.corner a v), t. split; [apply (Edges.shape_edge a k' u v E1)|]. split; [apply (Edges.shape_edge a l' v u E2)|]. split; [exact T0 | exact E].
  - rewrite C5. cbn [nth]. rewrite size_ok. unfold regions. rewrite !map_length. reflexivity.
  - destruct (Whole.count_linear _ _ _ _ _ _ _ _ C6) as (roots & L1 & L2 & L3 & L4). exists roots. rewrite C5. cbn [nth]. split; [exact L1|]. split; [f_equal; exact (eq_sym L2)|].
    split; [intros r I; apply (active_ok n s W), L3, I|]. intros z A. apply (active_ok n s W) in A. destruct (L4 z A) as (r & I & Cn & U). exists r. split; [exact I|].
    split; [apply (connected_ok n s W), Cn|]. intros r' I' Cn'. apply U; [exact I' | apply (connected_ok n s W), Cn'].
  - destruct (Whole.count_affine _ _ _ _ _ _ _ _ C6) as (maps & M1 & M2 & M3 & M4). exists maps. rewrite C5. cbn [nth]. split; [exact M1|]. split; [f_equal; exact (eq_sym M2)|]. split.
    + intros z A. apply (active_ok n s W) in A. destruct (M3 z A) as (fs & I & G). exists fs. split; [exact I | apply (map_ok n s W), G].
    + intros fs. rewrite M4. split; intros (z & A & B); exists z; (split; [apply (active_ok n s W), A | apply (map_ok n s W), B]).
  - intros p. split.
    + intros [A B]. destruct (proj1 (B1 p)) as (t & I & J); [split; [rewrite WN; exact A | apply (tie_ok n s W), B]|].
      rewrite named_ties_ok in I. apply in_map_iff in I. destruct I as (t' & <- & I). exists t'. split; [exact I | apply (Face t' p I), J].
    + intros (t & I & J). destruct (proj2 (B1 p)) as [A B]; [exists (named_tie t); split; [apply Tie, I | apply (Face t p I), J]|].
      split; [rewrite <- WN; exact A | apply (tie_ok n s W), B].
  - intros t I. destruct (B2 _ (Tie t I)) as (A1 & A2 & A3). cbn [fst snd] in *. split; [exact A1|]. intros k. split.
    + intros K. split; [apply A2, K|]. intros p J. apply (wins_ok n s W). rewrite <- (Z2Nat.id k) in K by (apply A2, K). revert p J.
      intros p J. apply (proj1 (A3 (Z.to_nat k)) K). apply (Face t p I), J.
    + intros [K0 K]. rewrite <- (Z2Nat.id k) by exact K0. apply A3. intros p J. apply (wins_ok n s W), K, (Face t p I), J.
  - intros t t' I I' D. destruct (B4 _ _ (Tie t I) (Tie t' I') (Diff t t' I I' D)) as (p & A & B). exists p. cbn [fst] in A, B.
    split; [apply (Face t p I), A|]. intros J. apply B, (Face t' p I'), J.
  - intros t t' p I I' D J. destruct (B5 _ _ p (Tie t I) (Tie t' I') (Diff t t' I I' D)) as [A B]; [apply (Face t p I), J|]. cbn [fst] in A, B. split.
    + intros K. apply A, (Face t' p I'), K.
    + intros L K. apply B; [unfold Boundary.dimension, named_tie; cbn [fst]; rewrite !map_length; exact L | apply (Face t' p I'), K].
  - rewrite named_ties_ok, map_map in B3. cbn [named_tie fst] in B3. rewrite <- (map_map fst (map name)) in B3. apply NoDup_map_inv in B3. exact B3.
  - rewrite C5. cbn [skipn map]. unfold counted, ties_of. rewrite !Linear.tally_ok. reflexivity.
  - apply same_texts_ok, C2.
Qed.
